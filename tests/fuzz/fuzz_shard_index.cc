// Any bytes as model.safetensors.index.json: an accepted index names files of its own folder only.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/checkpoint/safetensors_source.h"
#include "engine/types/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto index = transept::ParseShardIndex(text, "model.safetensors.index.json");
  if (!index.ok()) return 0;
  for (const auto& [tensor, file] : *index) {
    transept::Require(!file.empty() && file.find('/') == std::string::npos && file != "..",
                      "a shard outside the folder");
  }
  return 0;
}
