// Self- and cross-attention of decoder rows over the paged cache.
#include <algorithm>

#include "kernels/cuda/bias.cuh"
#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {
namespace {

// A paged cache with typed elements.
template <typename T>
struct Pages {
  explicit Pages(const PagedKv& cache)
      : keys(static_cast<T*>(cache.keys)),
        values(static_cast<T*>(cache.values)),
        block_size(cache.block_size),
        num_kv_heads(cache.num_kv_heads),
        head_size(cache.head_size) {}

  __device__ int64_t Offset(int block, int within, int head) const {
    return ((static_cast<int64_t>(block) * num_kv_heads + head) * block_size + within) * head_size;
  }

  T* keys;
  T* values;
  int block_size;
  int num_kv_heads;
  int head_size;
};

// The parameters of both kernels. Strides and sizes in elements.
template <typename T>
struct Parameters {
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

// The row that query token `token` belongs to.
__device__ int RowOf(const DecoderInputs& inputs, int token) {
  if (inputs.num_tokens == inputs.num_rows) return token;
  int first = 0;
  int last = inputs.num_rows - 1;
  while (first < last) {
    const int middle = (first + last + 1) / 2;
    if (inputs.query_offsets[middle] <= token) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  return first;
}

// Stores a token's K/V of one head in its slot.
template <typename Layout, typename T>
__device__ void WriteSlot(const Pages<T>& pages, int64_t slot, int head, const T* key,
                          const T* value) {
  const int64_t at = pages.Offset(slot / pages.block_size, slot % pages.block_size, head);
  for (int i = threadIdx.x * Layout::kPack; i < pages.head_size; i += blockDim.x * Layout::kPack) {
    using P = Pack<T, Layout::kPack>;
    *reinterpret_cast<P*>(pages.keys + at + i) = *reinterpret_cast<const P*>(key + i);
    *reinterpret_cast<P*>(pages.values + at + i) = *reinterpret_cast<const P*>(value + i);
  }
}

// Grid: (query tokens, heads, splits). The K/V of the step's own tokens come from `query`, because
// other blocks may not have stored them yet; the rest of the past from the pages.
template <typename Layout, int kWarps>
__global__ void __launch_bounds__(32 * kWarps)
    SelfAttention(const Parameters<typename Layout::T> p) {
  using T = typename Layout::T;
  extern __shared__ float shared[];
  LetSuccessorStart();
  const int token = blockIdx.x;
  const int head = blockIdx.y;
  const int size = p.shape.head_size;
  const int sharing = p.shape.num_heads / p.shape.num_kv_heads;
  const int kv_head = head / sharing;
  const int row = RowOf(p.inputs, token);
  const int first_token = p.inputs.query_offsets[row];
  const int position = p.inputs.positions[token];
  const int first_position = position - (token - first_token);
  const int64_t keys_column = static_cast<int64_t>(p.shape.num_heads + kv_head) * size;
  const int64_t values_column = keys_column + static_cast<int64_t>(p.shape.num_kv_heads) * size;
  const KeySpan span =
      SpanOf(position + 1, blockIdx.z, p.split.splits, WarpAttention<Layout, 1>::kTile * kWarps);
  const HeadBias bias(p.bias, head);

  const auto locate = [&](int j) -> KeyValue<T> {
    if (j >= first_position) {
      const T* from = p.query + (first_token + j - first_position) * p.query_stride;
      return {from + keys_column, from + values_column};
    }
    const int writer =
        p.inputs.ancestry ? p.inputs.ancestry[row * p.inputs.ancestry_stride + j] : row;
    const int block =
        p.inputs.block_tables[writer * p.inputs.block_table_stride + j / p.pages.block_size];
    const int64_t at = p.pages.Offset(block, j % p.pages.block_size, kv_head);
    return {p.pages.keys + at, p.pages.values + at};
  };

  WaitForPredecessor();
  const T* mine = p.query + token * p.query_stride;
  WarpAttention<Layout, 1> attention;
  attention.LoadQuery(0, mine + static_cast<int64_t>(head) * size, size, p.shape.scale);
  constexpr int kTile = WarpAttention<Layout, 1>::kTile;
  for (int tile = span.begin + threadIdx.x / 32 * kTile; tile < span.end; tile += kWarps * kTile) {
    attention.Attend(tile, min(tile + kTile, span.end), size, locate,
                     [&](int j) { return bias(j - position); });
  }
  if (blockIdx.z == 0 && head % sharing == 0) {
    WriteSlot<Layout>(p.pages, p.inputs.self_slots[token], kv_head, mine + keys_column,
                      mine + values_column);
  }
  FinishQuery<Layout, kWarps>(attention.result[0], size, p.split,
                              static_cast<int64_t>(token) * p.shape.num_heads + head, shared,
                              p.out + token * p.out_stride + static_cast<int64_t>(head) * size);
}

// Grid: (sources, heads, splits). A block serves all query tokens of its source, kQueries at a
// time, so that the source's pages are read from memory once.
template <typename Layout, int kWarps, int kQueries>
__global__ void __launch_bounds__(32 * kWarps)
    CrossAttention(const Parameters<typename Layout::T> p) {
  using T = typename Layout::T;
  using Attention = WarpAttention<Layout, kQueries>;
  extern __shared__ float shared[];
  LetSuccessorStart();
  const int source = blockIdx.x;
  const int head = blockIdx.y;
  const int size = p.shape.head_size;
  const int kv_head = head / (p.shape.num_heads / p.shape.num_kv_heads);
  const int begin = p.inputs.query_offsets[p.inputs.source_offsets[source]];
  const int end = p.inputs.query_offsets[p.inputs.source_offsets[source + 1]];
  const int32_t* table = p.inputs.cross_block_tables + source * p.inputs.cross_block_table_stride;
  constexpr int kTile = Attention::kTile;
  const KeySpan span =
      SpanOf(p.inputs.cross_lengths[source], blockIdx.z, p.split.splits, kTile * kWarps);

  const auto locate = [&](int j) -> KeyValue<T> {
    const int64_t at =
        p.pages.Offset(table[j / p.pages.block_size], j % p.pages.block_size, kv_head);
    return {p.pages.keys + at, p.pages.values + at};
  };

  WaitForPredecessor();
  for (int token = begin; token < end; token += kQueries) {
    Attention attention;
#pragma unroll
    for (int q = 0; q < kQueries; ++q) {
      if (token + q < end) {
        attention.LoadQuery(
            q, p.query + (token + q) * p.query_stride + static_cast<int64_t>(head) * size, size,
            p.shape.scale);
      }
    }
    for (int tile = span.begin + threadIdx.x / 32 * kTile; tile < span.end;
         tile += kWarps * kTile) {
      attention.Attend(tile, min(tile + kTile, span.end), size, locate, [](int) { return 0.0f; });
    }
#pragma unroll
    for (int q = 0; q < kQueries; ++q) {
      if (token + q >= end) break;
      FinishQuery<Layout, kWarps>(
          attention.result[q], size, p.split,
          static_cast<int64_t>(token + q) * p.shape.num_heads + head, shared,
          p.out + (token + q) * p.out_stride + static_cast<int64_t>(head) * size);
    }
  }
}

// Splits the keys among blocks until the GPU is full, as far as a part is worth a block and the
// workspace goes. `keys_each`: what a block takes in at once.
SplitKeys PlanSplits(Device& device, int64_t tokens, int64_t blocks, const AttentionShape& shape,
                     int64_t max_keys, int64_t keys_each) {
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
Parameters<T> ParametersOf(const Op& op, const Activations& query, const Step& step,
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

size_t SharedBytes(const AttentionShape& shape, int warps) {
  return warps * (shape.head_size + 2) * sizeof(float);
}

// A past of this many positions is not worth several blocks.
constexpr int64_t kSelfKeysEach = 1024;
constexpr int64_t kCrossKeysEach = 64;

template <typename Layout, int kWarps>
void LaunchSelf(const Parameters<typename Layout::T>& parameters, const SelfAttentionOp& op,
                const Step& step, Device& device) {
  const dim3 grid(step.num_tokens, op.shape.num_heads, parameters.split.splits);
  Launch(device, "self-attention", {grid, 32 * kWarps, SharedBytes(op.shape, kWarps)},
         SelfAttention<Layout, kWarps>, parameters);
}

}  // namespace

void Run(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  Device& device = resources.device;
  const int64_t blocks = step.num_tokens * op.shape.num_heads;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, blocks, op.shape,
                 step.decoder->block_table_stride * op.cache.block_size, kSelfKeysEach);
  DispatchElement(op.cache.dtype, [&](auto element) {
    using T = decltype(element);
    Parameters<T> parameters = ParametersOf<T>(op, op.qkv, step, split);
    parameters.bias = resources.biases.Get(op.bias);
    DispatchHeadSize<T>(op.shape.head_size, op.kernel == AttentionKernel::kCuda, [&](auto layout) {
      using Layout = decltype(layout);
      if (blocks <= 2 * device.multiprocessors()) {
        LaunchSelf<Layout, 8>(parameters, op, step, device);
      } else {
        LaunchSelf<Layout, 4>(parameters, op, step, device);
      }
    });
  });
}

void Run(const CrossAttentionOp& op, const Step& step, Resources& resources) {
  constexpr int kWarps = 4;
  Device& device = resources.device;
  const int64_t sources = step.decoder->num_sources;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, sources * op.shape.num_heads, op.shape,
                 step.decoder->cross_block_table_stride * op.cache.block_size, kCrossKeysEach);
  DispatchElement(op.cache.dtype, [&](auto element) {
    using T = decltype(element);
    const Parameters<T> parameters = ParametersOf<T>(op, op.query, step, split);
    DispatchHeadSize<T>(op.shape.head_size, op.kernel == AttentionKernel::kCuda, [&](auto layout) {
      using Layout = decltype(layout);
      const LaunchShape shape{dim3(sources, op.shape.num_heads, split.splits), 32 * kWarps,
                              SharedBytes(op.shape, kWarps)};
      if (sources == step.num_tokens) {
        Launch(device, "cross-attention", shape, CrossAttention<Layout, kWarps, 1>, parameters);
      } else {
        Launch(device, "cross-attention", shape, CrossAttention<Layout, kWarps, 4>, parameters);
      }
    });
  });
}

}  // namespace transept::kernels::cuda
