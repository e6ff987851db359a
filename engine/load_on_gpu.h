// Loading a model on a GPU, in builds that can.
#pragma once

#include "absl/status/statusor.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/engine_options.h"
#include "engine/loaded_model.h"

namespace transept {

// FAILED_PRECONDITION without a usable GPU, and in builds without CUDA; RESOURCE_EXHAUSTED when the
// model does not fit; INVALID_ARGUMENT for what no GPU kernel serves.
absl::StatusOr<LoadedModel> LoadOnGpu(const EngineOptions& options, const Checkpoint& checkpoint);

}  // namespace transept
