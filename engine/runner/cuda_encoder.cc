#include "engine/runner/cuda_encoder.h"

namespace transept {
namespace {

// Bytes that the arrays of a run take, with room for their alignment.
size_t InputBytes(const ModelOptions& model) {
  constexpr int64_t kArrays = 4;
  constexpr int64_t kSlack = 64;  // offsets have one element more, and every array is aligned
  return model.max_encoder_tokens * (3 * sizeof(int32_t) + sizeof(int64_t)) + kArrays * kSlack;
}

}  // namespace

CudaEncoder::CudaEncoder(kernels::cuda::Device* device, const Model* model)
    : model_(*model),
      device_(device->OpenAside()),
      executor_(device_.get()),
      inputs_(model->options().block_size),
      device_inputs_(device_.get(), InputBytes(model->options()), /*runs=*/2),
      states_(device_.get(), model, &device_inputs_) {
  if (device_->ok()) executor_.Prepare(model->encoder());
}

CudaEncoder::~CudaEncoder() {
  cudaStreamSynchronize(device_->stream());
}

absl::Status CudaEncoder::Launch(const StepPlan& plan, cudaEvent_t begin, cudaEvent_t encoded) {
  inputs_.BuildEncoder(plan);
  const kernels::EncoderInputs inputs = inputs_.encoder();
  if (absl::Status fits = CheckFits(inputs, model_.options().max_encoder_tokens); !fits.ok()) {
    return fits;
  }
  device_->Check(cudaStreamWaitEvent(device_->stream(), begin), "waiting for a step's begin");
  device_inputs_.BeginStep();
  executor_.Run(model_.encoder(), device_inputs_.Send(inputs));
  states_.Pool(plan);
  device_->Check(cudaEventRecord(encoded, device_->stream()), "recording an event");
  return absl::OkStatus();
}

}  // namespace transept
