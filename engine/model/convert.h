// Conversion between element types on the host, for loading weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace transept {

// Copies `count` elements from `source` (may be unaligned) to `destination`, rounding to nearest
// even. Not for int8. Values beyond float16's range become infinite, as in torch.
void Convert(const void* source, kernels::DataType source_type, void* destination,
             kernels::DataType destination_type, size_t count);

// One row of a weight in int8: numbers in [-127, 127] with a scale of its own, which takes the
// largest magnitude to 127, and their sum.
struct Int8Row {
  float scale = 0.0f;
  int32_t sum = 0;
};
// Rounds `count` finite elements of `source` to nearest, ties to even.
Int8Row QuantizeRow(const float* source, int8_t* destination, size_t count);

// Whether one of `count` elements is infinite or not a number.
bool HasNonFinite(const void* data, kernels::DataType type, size_t count);

}  // namespace transept
