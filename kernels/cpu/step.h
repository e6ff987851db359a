// What every CPU operation receives besides its own parameters.
#pragma once

#include <cstdint>

#include "kernels/inputs.h"
#include "kernels/tensor.h"

namespace transept::kernels::cpu {

// The inputs of one run. Exactly one of `encoder` and `decoder` is set; the other fields repeat
// what both have.
struct Step {
  explicit Step(const EncoderInputs& inputs)
      : encoder(&inputs),
        num_tokens(inputs.num_tokens),
        num_rows(inputs.num_sources),
        token_ids(inputs.token_ids),
        positions(inputs.positions),
        embedded_positions(inputs.embedded_positions ? inputs.embedded_positions
                                                     : inputs.positions),
        offsets(inputs.offsets) {}
  explicit Step(const DecoderInputs& inputs)
      : decoder(&inputs),
        num_tokens(inputs.num_tokens),
        num_rows(inputs.num_rows),
        token_ids(inputs.token_ids),
        positions(inputs.positions),
        embedded_positions(inputs.embedded_positions ? inputs.embedded_positions
                                                     : inputs.positions),
        offsets(inputs.query_offsets) {}

  // Rows of a buffer of this extent.
  int64_t Rows(Extent extent) const { return extent == Extent::kTokens ? num_tokens : num_rows; }

  const EncoderInputs* encoder = nullptr;
  const DecoderInputs* decoder = nullptr;
  int64_t num_tokens;
  int64_t num_rows;                   // decoder rows, or sources when encoding
  const int32_t* token_ids;           // [num_tokens]
  const int32_t* positions;           // [num_tokens]
  const int32_t* embedded_positions;  // [num_tokens]
  const int32_t* offsets;             // [num_rows + 1] in tokens
};

// Row `row` of a float32 buffer.
inline float* RowOf(const Activations& buffer, int64_t row) {
  return static_cast<float*>(buffer.data) + row * buffer.stride;
}

}  // namespace transept::kernels::cpu
