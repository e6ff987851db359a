// A model on its device, ready to run.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/engine_options.h"
#include "engine/model/model.h"
#include "engine/runner/runner.h"
#include "kernels/memory.h"

namespace transept {

// Each part uses those before it; destroyed in reverse order.
struct LoadedModel {
  std::unique_ptr<kernels::Memory> memory;
  std::unique_ptr<Model> model;
  std::unique_ptr<Runner> runner;
};

// Puts the model into the memory of options.model.device and makes the runner for it: the one place
// where devices differ. FAILED_PRECONDITION for a device that this build lacks.
absl::StatusOr<LoadedModel> LoadModel(const EngineOptions& options, const Checkpoint& checkpoint);

}  // namespace transept
