// Causal self-attention of decoder rows over the paged cache, one query token at a time: the way of
// decoding, on any element type and head size.
#include "kernels/cuda/bias.cuh"
#include "kernels/cuda/decoder_attention.cuh"
#include "kernels/cuda/key_stream.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row_past.cuh"
#include "kernels/cuda/self_tensor_attention.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kWarps = 4;  // of a block

// The row that a query token belongs to.
struct Row {
  int index;
  int first_token;
};
__device__ Row RowOf(const DecoderInputs& inputs, int token) {
  if (inputs.num_tokens == inputs.num_rows) return {token, token};
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
  return {first, inputs.query_offsets[first]};
}

// Takes in the keys [begin, end) that the step's own tokens have, as kShare adjacent warps share
// them in tiles of OwnTile. The first of them and the query are loaded together: nothing waits
// twice. Calls meanwhile() when they are on their way.
template <typename OwnTile, int kShare, typename Layout, typename Locate, typename Bias,
          typename Fn>
__device__ void AttendOwn(WarpAttention<Layout>& attention, const typename Layout::T* query,
                          const AttentionShape& shape, int begin, int end, Locate locate, Bias bias,
                          Fn meanwhile) {
  const int size = shape.head_size;
  const int own = begin + static_cast<int>(threadIdx.x) / 32 % kShare * OwnTile::kKeys;
  OwnTile tile;
  if (own < end) tile.Load(own, min(own + OwnTile::kKeys, end), size, locate);
  attention.LoadQuery(query, size, shape.scale);
  meanwhile();
  for (int first = own; first < end; first += kShare * OwnTile::kKeys) {
    const int last = min(first + OwnTile::kKeys, end);
    if (first > own) tile.Load(first, last, size, locate);
    attention.Attend(tile, first, last, size, bias);
  }
}

// Stores a token's K/V of one head at `at` in the pages, by kShare adjacent warps.
template <typename Layout, int kShare, typename T>
__device__ void Write(const Pages<T>& pages, int64_t at, const KeyValue<T>& from) {
  using P = Pack<T, Layout::kPack>;
  const int thread = threadIdx.x % (32 * kShare);
  for (int i = thread * Layout::kPack; i < pages.head_size; i += 32 * kShare * Layout::kPack) {
    *reinterpret_cast<P*>(pages.keys + at + i) = *reinterpret_cast<const P*>(from.key + i);
    *reinterpret_cast<P*>(pages.values + at + i) = *reinterpret_cast<const P*>(from.value + i);
  }
}

// kShare adjacent warps serve a query token and head: all of a block, and perhaps several blocks,
// or one. Grid: (query tokens, heads * kShare / kWarps rounded up, splits). The K/V of the step's
// own tokens come from `query`, because other blocks may not have stored them yet; the past from
// the pages.
template <typename Layout, int kShare>
__global__ void __launch_bounds__(32 * kWarps, Layout::kSteps == 1 ? 4 : 1)
    SelfAttention(const DecoderAttention<typename Layout::T> p) {
  static_assert(kShare == 1 || kShare == kWarps);
  using T = typename Layout::T;
  using Tile = KeyTile<Layout>;
  using Stream = KeyStream<Layout, kShare, Past<T>>;
  extern __shared__ __align__(16) char shared[];
  LetSuccessorStart();
  const int token = blockIdx.x;
  const int warp = threadIdx.x / 32;
  const int head = (static_cast<int>(blockIdx.y) * kWarps + warp) / kShare;
  if (head >= p.shape.num_heads) return;
  const int size = p.shape.head_size;
  const int kv_head = p.sharing.Divide(head);
  const int position = LoadInput(p.inputs.positions + token);
  const int64_t slot = p.inputs.self_slots[token];
  const Row row = RowOf(p.inputs, token);
  const Past<T> in_pages(p, row.index, kv_head);
  const int first_position = position - (token - row.first_token);
  SplitKeys split = p.split;
  split.used = UsedOf(split, first_position, kShare * Tile::kKeys);
  if (static_cast<int>(blockIdx.z) >= split.used) return;
  Stream past(shared + warp * Stream::kBytes, p.pages,
              SpanOf(first_position, blockIdx.z, split.used, kShare * Tile::kKeys), in_pages);
  const HeadBias bias(p.bias, head);
  const auto bias_of = [&](int j) { return bias(j - position); };

  const int64_t key_column = static_cast<int64_t>(p.shape.num_heads + kv_head) * size;
  const int64_t value_column = key_column + static_cast<int64_t>(p.shape.num_kv_heads) * size;
  const auto in_step = [&](int j) -> KeyValue<T> {
    const T* from = p.query + (row.first_token + j - first_position) * p.query_stride;
    return {from + key_column, from + value_column};
  };
  const bool writes = blockIdx.z == 0 && head == kv_head * p.sharing.value();
  const int64_t slot_at =
      p.pages.Offset(slot / p.pages.block_size, slot % p.pages.block_size, kv_head);
  const int64_t column = static_cast<int64_t>(head) * size;
  WaitForPredecessor();
  const T* query = p.query + token * p.query_stride + column;
  const int end = blockIdx.z == 0 ? position + 1 : first_position;
  WarpAttention<Layout> attention;
  const auto fetch_more = [&] { past.FetchMore(); };
  if (p.inputs.num_tokens == p.inputs.num_rows) {  // one key
    AttendOwn<KeyTile<Layout, 1>, kShare>(attention, query, p.shape, first_position, end, in_step,
                                          bias_of, fetch_more);
  } else {
    AttendOwn<Tile, kShare>(attention, query, p.shape, first_position, end, in_step, bias_of,
                            fetch_more);
  }
  if (writes) Write<Layout, kShare>(p.pages, slot_at, in_step(position));
  past.ForEach([&](const Tile& keys, int first, int last) {
    attention.Attend(keys, first, last, Layout::kMaxHeadSize, bias_of);
  });
  T* const out = p.out + token * p.out_stride + column;
  if constexpr (kShare == 1) {
    FinishQuery(attention.result, size, out);
  } else {
    FinishQuery<Layout, kShare>(attention.result, size, split,
                                static_cast<int64_t>(token) * p.shape.num_heads + head,
                                reinterpret_cast<float*>(shared), out);
  }
}

// A past of this many positions is not worth several blocks.
constexpr int64_t kKeysEach = 1024;

template <typename Layout, int kShare>
void LaunchSelf(const DecoderAttention<typename Layout::T>& parameters, const SelfAttentionOp& op,
                const Step& step, Device& device) {
  using T = typename Layout::T;
  const int groups = (op.shape.num_heads * kShare + kWarps - 1) / kWarps;
  const dim3 grid(step.num_tokens, groups, parameters.split.splits);
  // The rings of keys, and afterwards what the warps came to.
  const size_t shared = std::max<size_t>(kWarps * KeyStream<Layout, kShare, Past<T>>::kBytes,
                                         kShare * PartSize(op.shape.head_size) * sizeof(float));
  Launch(device, "self-attention", {grid, 32 * kWarps, shared}, SelfAttention<Layout, kShare>,
         parameters);
}

}  // namespace

void Run(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  const bool tensor = op.kernel == AttentionKernel::kCudaTensor;
  if (tensor && TensorServes(op, step, resources)) return RunTensor(op, step, resources);
  Device& device = resources.device;
  const int64_t pairs = step.num_tokens * op.shape.num_heads;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, pairs, op.shape,
                 step.decoder->block_table_stride * op.cache.block_size, kKeysEach);
  DispatchElement(op.cache.dtype, [&](auto element) {
    using T = decltype(element);
    DecoderAttention<T> parameters = ParametersOf<T>(op, op.qkv, step, split);
    parameters.bias = resources.biases.Get(op.bias);
    DispatchHeadSize<T>(op.shape.head_size, op.kernel != AttentionKernel::kCudaScalar,
                        [&](auto layout) {
                          using Layout = decltype(layout);
                          if (pairs <= 4 * device.multiprocessors()) {  // a block each, all at once
                            LaunchSelf<Layout, kWarps>(parameters, op, step, device);
                          } else {  // a warp each: nothing to merge
                            LaunchSelf<Layout, 1>(parameters, op, step, device);
                          }
                        });
  });
}

}  // namespace transept::kernels::cuda
