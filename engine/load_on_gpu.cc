#include "engine/load_on_gpu.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/runner/cuda_runner.h"
#include "kernels/cuda/bias.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"

namespace transept {

namespace {

// What only a GPU asks of a model.
absl::Status CheckSpec(const ModelSpec& spec) {
  for (const StackSpec* stack : {&spec.encoder, &spec.decoder}) {
    const int32_t distance = stack->relative_positions.max_distance;
    if (distance > kernels::cuda::kMaxReach) {
      return absl::InvalidArgumentError(absl::StrCat("relative_attention_max_distance ", distance,
                                                     " exceeds ", kernels::cuda::kMaxReach,
                                                     ", the most that device 'cuda' serves"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LoadedModel> LoadOnGpu(const EngineOptions& options, const Checkpoint& checkpoint) {
  if (absl::Status status = CheckSpec(checkpoint.spec()); !status.ok()) return status;
  std::string error;
  std::unique_ptr<kernels::cuda::Device> device = kernels::cuda::Device::Open(0, &error);
  if (device == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("device: 'cuda' has no usable GPU: ", error));
  }
  spdlog::info("GPU 0 is {}", device->name());
  const size_t available = device->AvailableMemory();
  auto memory = std::make_unique<kernels::cuda::DeviceMemory>(std::move(device), available);
  LoadedModel loaded;
  absl::StatusOr<std::unique_ptr<Model>> model =
      Model::Load(checkpoint, options.model, memory.get());
  if (!model.ok()) return model.status();
  loaded.model = *std::move(model);
  absl::StatusOr<std::unique_ptr<CudaRunner>> runner =
      CudaRunner::Create(memory->device(), loaded.model.get(),
                         {.max_source_tokens = options.max_source_tokens,
                          .max_target_tokens = options.max_target_tokens});
  if (!runner.ok()) return runner.status();
  loaded.runner = *std::move(runner);
  loaded.memory = std::move(memory);
  return loaded;
}

}  // namespace transept
