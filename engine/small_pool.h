// A K/V pool that is smaller than the other limits ask for.
#pragma once

#include "config/config.h"
#include "engine/model/model.h"
#include "engine/types/engine_info.h"

namespace transept {

// Logs a warning if the pool of `model` does not hold one request of the longest source and output
// that `info` advertises; else if kv_cache_mib, or a gpu_memory_fraction other than the default,
// left a pool that max_rows of these can't share.
void WarnOfSmallPool(const config::EngineConfig& config, const EngineInfo& info,
                     const Model& model);

}  // namespace transept
