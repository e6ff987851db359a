// How an engine runs its model: what its settings came to.
#pragma once

#include <cstdint>
#include <string>

namespace transept {

struct EngineInfo {
  std::string device;             // "cpu" or "cuda"
  std::string dtype;              // of the weights in memory: "float32", "bfloat16" or "float16"
  std::string kv_cache_dtype;     // of the K/V pages
  int32_t max_source_tokens = 0;  // what the settings or the model allow, whichever is less
  int32_t max_new_tokens = 0;     // likewise, without a target prefix
};

}  // namespace transept
