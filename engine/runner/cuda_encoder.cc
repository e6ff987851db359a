#include "engine/runner/cuda_encoder.h"

#include <utility>

#include "engine/runner/event_time.h"
#include "engine/runner/token_results.h"
#include "engine/types/require.h"

namespace transept {
namespace {

// Bytes that the arrays of a run take, with room for their alignment.
size_t InputBytes(const ModelOptions& model) {
  constexpr int64_t kArrays = 5;
  constexpr int64_t kSlack = 64;  // offsets have one element more, and every array is aligned
  return model.max_encoder_tokens * (4 * sizeof(int32_t) + sizeof(int64_t)) + kArrays * kSlack;
}

}  // namespace

CudaEncoder::CudaEncoder(kernels::cuda::Device* device, const Model* model)
    : model_(*model),
      device_(device->OpenAside()),
      executor_(device_.get()),
      inputs_(model->options().block_size, PaddingWithoutPosition(model->spec())),
      device_inputs_(device_.get(), InputBytes(model->options()), /*runs=*/2),
      states_(device_.get(), model, &device_inputs_) {
  for (Batch& batch : batches_) {
    for (cudaEvent_t* event : {&batch.begin, &batch.end}) {
      device_->Check(cudaEventCreate(event), "creating an event");
    }
  }
  if (device_->ok()) executor_.Prepare(model->encoder());
}

CudaEncoder::~CudaEncoder() {
  Abandon();
  for (Batch& batch : batches_) {
    for (cudaEvent_t event : {batch.begin, batch.end}) cudaEventDestroy(event);
  }
}

absl::Status CudaEncoder::Launch(const StepPlan& plan, cudaEvent_t pages_free, bool alone) {
  Require(launched_ - taken_ < std::size(batches_), "CudaEncoder::Launch of a third");
  thread_.Await();  // inputs_ are its own
  inputs_.BuildEncoder(plan);
  const kernels::EncoderInputs inputs = inputs_.encoder();
  if (absl::Status fits = CheckFits(inputs, model_.options().max_encoder_tokens); !fits.ok()) {
    return fits;
  }
  Batch& batch = BatchAt(launched_);
  batch.step = plan.id;
  states_.BeginRun(launched_++);
  LaunchThread::Work launch = [this, &batch, inputs, pages_free,
                               rows = StateRowsOf(plan, model_.spec().eos_tokens)]() mutable {
    device_->Check(cudaEventRecord(batch.begin, device_->stream()), "recording an event");
    device_inputs_.BeginStep();
    executor_.Run(model_.encoder(), device_inputs_.Send(inputs), pages_free);
    states_.Pool(std::move(rows));
    device_->Check(cudaEventRecord(batch.end, device_->stream()), "recording an event");
  };
  if (alone) {
    launch();
  } else {
    thread_.Start(std::move(launch));
  }
  return absl::OkStatus();
}

void CudaEncoder::HoldBack(cudaStream_t stream) {
  if (launched_ == 0) return;
  thread_.Await();
  device_->Check(cudaStreamWaitEvent(stream, BatchAt(launched_ - 1).end),
                 "waiting for the encoder");
}

void CudaEncoder::Take(StepResult* result) {
  if (taken_ == launched_ || (launched_ - taken_ == 1 && !thread_.done())) return;
  const Batch& batch = BatchAt(taken_);
  const cudaError_t ended = cudaEventQuery(batch.end);
  if (ended == cudaErrorNotReady) {
    cudaGetLastError();  // that is no error
    return;
  }
  device_->Check(ended, "encoding");
  result->encoded = batch.step;
  result->encode_time = TimeBetween(batch.begin, batch.end);
  states_.Take(taken_++, result);
}

void CudaEncoder::Abandon() {
  thread_.Await();
  device_->Check(cudaStreamSynchronize(device_->stream()), "encoding");
  taken_ = launched_;
}

}  // namespace transept
