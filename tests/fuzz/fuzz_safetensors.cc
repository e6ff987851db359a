// Any bytes as a safetensors file: an accepted header describes tensors that lie within the file
// and do not overlap.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/checkpoint/safetensors.h"
#include "engine/types/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using transept::Require;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = transept::ParseSafetensorsHeader(bytes, "fuzz.safetensors");
  if (!header.ok()) return 0;
  size_t total = 0;
  for (const auto& [name, entry] : *header) {
    Require(entry.begin <= entry.end && entry.end <= size, "tensor outside the file");
    total += entry.end - entry.begin;
    if (entry.dtype != "F32") continue;
    size_t bytes_needed = 4;
    for (const int64_t extent : entry.shape) {
      Require(extent >= 0, "negative extent");
      bytes_needed *= static_cast<size_t>(extent);
    }
    Require(bytes_needed == entry.end - entry.begin, "tensor of another size than its shape");
  }
  Require(total < size, "overlapping tensors");
  return 0;
}
