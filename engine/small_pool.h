// A K/V pool that the settings made smaller than their other limits ask for.
#pragma once

#include "config/config.h"
#include "engine/model/model.h"
#include "engine/types/engine_info.h"

namespace transept {

// Logs a warning if kv_cache_mib, or a gpu_memory_fraction other than the default, left `model` a
// pool that max_rows requests of the longest source and output that `info` advertises can't share.
void WarnOfSmallPool(const config::EngineConfig& config, const EngineInfo& info,
                     const Model& model);

}  // namespace transept
