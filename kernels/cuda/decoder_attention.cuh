// What the attention kernels of decoder rows over the paged cache have in common.
#pragma once

#include <algorithm>

#include "kernels/cuda/bias.h"
#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {

// A paged cache with typed elements.
template <typename T>
struct Pages {
  explicit Pages(const PagedKv& cache)
      : keys(static_cast<T*>(cache.keys)),
        values(static_cast<T*>(cache.values)),
        block_size(cache.block_size),
        num_kv_heads(cache.num_kv_heads),
        head_size(cache.head_size) {}

  __device__ Pages(void* keys, void* values, int block_size, int num_kv_heads, int head_size)
      : keys(static_cast<T*>(keys)),
        values(static_cast<T*>(values)),
        block_size(block_size),
        num_kv_heads(num_kv_heads),
        head_size(head_size) {}

  __device__ int64_t Offset(int block, int within, int head) const {
    return ((static_cast<int64_t>(block) * num_kv_heads + head) * block_size + within) * head_size;
  }

  T* keys;
  T* values;
  int block_size;
  int num_kv_heads;
  int head_size;
};

// The parameters of the kernels. Strides and sizes in elements.
template <typename T>
struct DecoderAttention {
  DecoderInputs inputs;
  Pages<T> pages;
  AttentionShape shape;
  BiasByDistance bias;
  SplitKeys split;
  const T* query;  // self-attention: followed by the keys and values of the token
  int64_t query_stride;
  T* out;
  int64_t out_stride;
};

// Splits the keys among blocks until the GPU is full, as far as a part is worth a block and the
// workspace goes. `keys_each`: what a block takes in at once.
inline SplitKeys PlanSplits(Device& device, int64_t tokens, int64_t blocks,
                            const AttentionShape& shape, int64_t max_keys, int64_t keys_each) {
  constexpr int64_t kMaxSplits = 16;
  const int64_t pairs = tokens * shape.num_heads;
  const int64_t useful = std::clamp<int64_t>(max_keys / keys_each, 1, kMaxSplits);
  const int64_t splits =
      std::clamp<int64_t>(2 * device.multiprocessors() / std::max<int64_t>(blocks, 1), 1, useful);
  const size_t bytes = pairs * splits * (shape.head_size + 2) * sizeof(float);
  if (splits == 1 || pairs > Device::kCounters || bytes > Device::kWorkspaceBytes) return {};
  return {.splits = static_cast<int>(splits),
          .parts = static_cast<float*>(device.workspace()),
          .arrived = device.counters()};
}

template <typename T, typename Op>
DecoderAttention<T> ParametersOf(const Op& op, const Activations& query, const Step& step,
                                 const SplitKeys& split) {
  return {.inputs = *step.decoder,
          .pages = Pages<T>(op.cache),
          .shape = op.shape,
          .bias = {},
          .split = split,
          .query = static_cast<const T*>(query.data),
          .query_stride = query.stride,
          .out = static_cast<T*>(op.out.data),
          .out_stride = op.out.stride};
}

}  // namespace transept::kernels::cuda
