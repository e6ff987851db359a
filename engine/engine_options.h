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
  int threads = 1;                   // of the CPU kernels
  double gpu_memory_fraction = 0.9;  // bounds the model on a GPU if model.fit_blocks
  // The longest sequences that requests may have: encoder positions; decoder start, prefix and
  // generated tokens.
  int32_t max_source_tokens = 0;
  int32_t max_target_tokens = 0;
};

// INVALID_ARGUMENT names the setting and its value; RESOURCE_EXHAUSTED when kv_cache_mib holds no
// block. On a GPU, with kv_cache_mib 0, model.num_blocks is what max_rows of the longest sequences
// can use.
absl::StatusOr<EngineOptions> ResolveEngineOptions(const config::EngineConfig& config,
                                                   const ModelSpec& spec);

}  // namespace transept
