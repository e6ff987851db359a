// What the attention kernels of decoder rows over the paged cache have in common.
#pragma once

#include <algorithm>

#include "kernels/cuda/bias.h"
#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/pages.cuh"

namespace transept::kernels::cuda {

// The parameters of the kernels. Strides and sizes in elements.
template <typename T>
struct DecoderAttention {
  DecoderInputs inputs;
  Pages<T> pages;
  AttentionShape shape;
  BiasByDistance bias;
  SplitKeys split;
  Divisor block_size;  // of the pages
  Divisor sharing;     // heads that have the same keys
  const T* query;      // self-attention: followed by the keys and values of the token
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
          .used = static_cast<int>(splits),
          .keys_each = static_cast<int>(keys_each),
          .parts = static_cast<float*>(device.workspace()),
          .arrived = device.counters()};
}

template <typename T, typename Op>
DecoderAttention<T> ParametersOf(const Op& op, const Activations& query, const Step& step,
                                 const SplitKeys& split) {
  DecoderInputs inputs = *step.decoder;
  // To the kernels as many tokens as rows are one each. No token is of a row behind the last.
  if (inputs.empty_rows && inputs.num_tokens == inputs.num_rows) ++inputs.num_rows;
  return {.inputs = inputs,
          .pages = Pages<T>(op.cache),
          .shape = op.shape,
          .bias = {},
          .split = split,
          .block_size = Divisor(op.cache.block_size),
          .sharing = Divisor(op.shape.num_heads / op.shape.num_kv_heads),
          .query = static_cast<const T*>(query.data),
          .query_stride = query.stride,
          .out = static_cast<T*>(op.out.data),
          .out_stride = op.out.stride};
}

}  // namespace transept::kernels::cuda
