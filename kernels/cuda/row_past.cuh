// The positions of a decoder row that earlier steps were fed.
#pragma once

#include "kernels/cuda/decoder_attention.cuh"

namespace transept::kernels::cuda {

// Where the keys of a row's past lie.
template <typename T>
class Past {
 public:
  __device__ Past(const DecoderAttention<T>& p, int row, int kv_head)
      : p_(p),
        table_(p.inputs.block_tables + row * p.inputs.block_table_stride,
               p.inputs.block_table_stride),
        offsets_(p.pages, kv_head),
        row_(row) {
    const int slot = p.inputs.ancestry ? LoadInput(p.inputs.beam_slots + row) : -1;
    if (slot >= 0) ancestry_ = p.inputs.ancestry + slot * p.inputs.ancestry_stride;
  }

  // All lanes of a warp call it together, each for keys of its own in ascending order.
  template <int kCount>
  __device__ void operator()(const int (&keys)[kCount], int64_t (&at)[kCount]) const {
    int index[kCount];
    int block[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) index[i] = p_.block_size.Divide(keys[i]);
    if (ancestry_ == nullptr) {
      table_.LookUp(index, block);
    } else {  // one kind of load after the other: each waits once for all keys
      int writer[kCount];
#pragma unroll
      for (int i = 0; i < kCount; ++i) writer[i] = row_ + ancestry_[keys[i]];
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        block[i] = p_.inputs.block_tables[writer[i] * p_.inputs.block_table_stride + index[i]];
      }
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      at[i] = offsets_(block[i], keys[i] - index[i] * p_.block_size.value());
    }
  }

 private:
  const DecoderAttention<T>& p_;
  BlockTable table_;
  HeadOffsets offsets_;
  const int8_t* ancestry_ = nullptr;  // null: the row wrote all of its past
  int row_;
};

}  // namespace transept::kernels::cuda
