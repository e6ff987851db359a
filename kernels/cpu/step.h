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
        offsets(inputs.offsets) {}
  explicit Step(const DecoderInputs& inputs)
      : decoder(&inputs),
        num_tokens(inputs.num_tokens),
        num_rows(inputs.num_rows),
        token_ids(inputs.token_ids),
        positions(inputs.positions),
        offsets(inputs.query_offsets) {}

  // Rows of a buffer of this extent.
  int64_t Rows(Extent extent) const { return extent == Extent::kTokens ? num_tokens : num_rows; }

  const EncoderInputs* encoder = nullptr;
  const DecoderInputs* decoder = nullptr;
  int64_t num_tokens;
  int64_t num_rows;          // decoder rows, or sources when encoding
  const int32_t* token_ids;  // [num_tokens]
  const int32_t* positions;  // [num_tokens]
  const int32_t* offsets;    // [num_rows + 1] in tokens
};

// Row `row` of a float32 buffer.
inline float* RowOf(const Activations& buffer, int64_t row) {
  return static_cast<float*>(buffer.data) + row * buffer.stride;
}

// The first of the head_size elements of `slot` for K/V head `head`, counted in elements of either
// PagedKv::keys or PagedKv::values.
inline int64_t SlotOffset(const PagedKv& cache, int64_t slot, int64_t head) {
  const int64_t block = slot / cache.block_size;
  const int64_t position = slot % cache.block_size;
  return ((block * cache.num_kv_heads + head) * cache.block_size + position) * cache.head_size;
}

// The slot that holds target position `position` of decoder row `row`.
inline int64_t SelfSlot(const DecoderInputs& inputs, const PagedKv& cache, int64_t row,
                        int64_t position) {
  const int64_t writer =
      inputs.ancestry ? inputs.ancestry[row * inputs.ancestry_stride + position] : row;
  const int64_t block =
      inputs.block_tables[writer * inputs.block_table_stride + position / cache.block_size];
  return block * cache.block_size + position % cache.block_size;
}

// The slot that holds encoder position `position` of source `source`.
inline int64_t CrossSlot(const DecoderInputs& inputs, const PagedKv& cache, int64_t source,
                         int64_t position) {
  const int64_t block = inputs.cross_block_tables[source * inputs.cross_block_table_stride +
                                                  position / cache.block_size];
  return block * cache.block_size + position % cache.block_size;
}

}  // namespace transept::kernels::cpu
