// Where keys and values lie in a paged cache.
#pragma once

#include <cstdint>

#include "kernels/inputs.h"
#include "kernels/tensor.h"

namespace transept::kernels::cpu {

// Elements of PagedKv::keys, or of values, from one block to the next and from one head to the
// next within a block.
inline int64_t BlockStride(const PagedKv& cache) {
  return static_cast<int64_t>(cache.num_kv_heads) * cache.block_size * cache.head_size;
}
inline int64_t HeadStride(const PagedKv& cache) {
  return static_cast<int64_t>(cache.block_size) * cache.head_size;
}

// The first of the head_size elements of `slot` for K/V head `head`.
inline int64_t SlotOffset(const PagedKv& cache, int64_t slot, int64_t head) {
  return slot / cache.block_size * BlockStride(cache) + head * HeadStride(cache) +
         slot % cache.block_size * cache.head_size;
}

// The slot of target position `position` of decoder row `row`.
inline int64_t SelfSlot(const DecoderInputs& inputs, const PagedKv& cache, int64_t row,
                        int64_t position) {
  int64_t writer = row;
  if (inputs.ancestry != nullptr && inputs.beam_slots[row] >= 0) {
    writer += inputs.ancestry[inputs.beam_slots[row] * inputs.ancestry_stride + position];
  }
  const int64_t block =
      inputs.block_tables[writer * inputs.block_table_stride + position / cache.block_size];
  return block * cache.block_size + position % cache.block_size;
}

// The slot of encoder position `position` of source `source`.
inline int64_t CrossSlot(const DecoderInputs& inputs, const PagedKv& cache, int64_t source,
                         int64_t position) {
  const int64_t block = inputs.cross_block_tables[source * inputs.cross_block_table_stride +
                                                  position / cache.block_size];
  return block * cache.block_size + position % cache.block_size;
}

// Stores one position's keys and values, each [num_kv_heads * head_size], in `slot`.
void WriteSlot(const PagedKv& cache, int64_t slot, const float* keys, const float* values);

}  // namespace transept::kernels::cpu
