// What takes the place of cuda_operation_timer.cc in builds without CUDA.
#include "tests/bench/operation_timer.h"

namespace transept::bench {

absl::StatusOr<std::unique_ptr<OperationTimer>> MakeCudaOperationTimer(const EngineOptions&,
                                                                       const Checkpoint&) {
  return absl::FailedPreconditionError("device: 'cuda' needs a build with CUDA");
}

}  // namespace transept::bench
