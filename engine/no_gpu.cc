// What takes the place of load_on_gpu.cc in builds without CUDA.
#include "engine/load_on_gpu.h"

namespace transept {

absl::StatusOr<LoadedModel> LoadOnGpu(const EngineOptions&, const Checkpoint&) {
  return absl::FailedPreconditionError(
      "device: 'cuda' needs a build with CUDA (the `cuda` preset); this one serves 'cpu'");
}

}  // namespace transept
