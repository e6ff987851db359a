// The safetensors format: 8 bytes header length (little-endian), a JSON header, tensor data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace transept {

struct SafetensorsEntry {
  std::string dtype;           // as the file spells it: "F32", "BF16", "F8_E4M3", ...
  std::vector<int64_t> shape;  // each >= 0
  size_t begin = 0;            // bytes from the start of the file, not aligned
  size_t end = 0;
};

// By tensor name.
using SafetensorsHeader = std::map<std::string, SafetensorsEntry>;

// Reads the header of a safetensors file whose whole content is `bytes`; tensor data is not
// touched. Everything that could make a tensor reach outside `bytes`, or into another tensor's
// data, is an error: offsets out of range, overlaps, holes, sizes that are not shape times dtype,
// names given twice. A dtype that is not known is none, until somebody wants the tensor. `file`
// names the file in errors.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view bytes,
                                                         const std::string& file);

}  // namespace transept
