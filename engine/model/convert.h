// Conversion between element types on the host, for loading weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace transept {

// Copies `count` elements from `source` (may be unaligned) to `destination`, rounding to nearest
// even. Values beyond float16's range become infinite, as in torch.
void Convert(const void* source, kernels::DataType source_type, void* destination,
             kernels::DataType destination_type, size_t count);

// Whether one of `count` elements is infinite or not a number.
bool HasNonFinite(const void* data, kernels::DataType type, size_t count);

}  // namespace transept
