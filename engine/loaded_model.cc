#include "engine/loaded_model.h"

#include <utility>

#include "engine/host_limits.h"
#include "engine/load_on_gpu.h"
#include "engine/runner/cpu_runner.h"
#include "kernels/cpu/host_memory.h"

namespace transept {
namespace {

absl::StatusOr<LoadedModel> LoadOnCpu(const EngineOptions& options, const Checkpoint& checkpoint) {
  LoadedModel loaded;
  loaded.memory = std::make_unique<kernels::cpu::HostMemory>(AvailableMemory());
  absl::StatusOr<std::unique_ptr<Model>> model =
      Model::Load(checkpoint, options.model, loaded.memory.get());
  if (!model.ok()) return model.status();
  loaded.model = *std::move(model);
  loaded.runner = std::make_unique<CpuRunner>(loaded.model.get(), options.threads);
  return loaded;
}

}  // namespace

absl::StatusOr<LoadedModel> LoadModel(const EngineOptions& options, const Checkpoint& checkpoint) {
  switch (options.model.device) {
    case Device::kCpu: return LoadOnCpu(options, checkpoint);
    case Device::kCuda: return LoadOnGpu(options, checkpoint);
  }
  return absl::InternalError("there is no such device");
}

}  // namespace transept
