// The engine's settings resolved against a model: names become types, sizes become counts.
#pragma once

#include "absl/status/statusor.h"
#include "config/config.h"
#include "engine/model/model.h"
#include "engine/schedule/scheduler.h"
#include "engine/types/model_spec.h"

namespace transept {

struct EngineOptions {
  ModelOptions model;
  SchedulerOptions scheduler;
  int threads = 1;  // of the CPU kernels
};

// INVALID_ARGUMENT names the setting and its value; RESOURCE_EXHAUSTED when kv_cache_mib holds no
// block.
absl::StatusOr<EngineOptions> ResolveEngineOptions(const config::EngineConfig& config,
                                                   const ModelSpec& spec);

}  // namespace transept
