// Causal self-attention of decoder rows over the paged cache.
#include "kernels/cuda/bias.cuh"
#include "kernels/cuda/decoder_attention.cuh"
#include "kernels/cuda/key_stream.cuh"
#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

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
// other blocks may not have stored them yet; the past from the pages.
template <typename Layout, int kWarps>
__global__ void __launch_bounds__(32 * kWarps)
    SelfAttention(const DecoderAttention<typename Layout::T> p) {
  using T = typename Layout::T;
  using Tile = KeyTile<Layout>;
  extern __shared__ __align__(16) char shared[];
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
  const int32_t* const table = p.inputs.block_tables;
  const int beam_slot = p.inputs.ancestry ? p.inputs.beam_slots[row] : -1;
  const int8_t* const ancestry = p.inputs.ancestry + beam_slot * p.inputs.ancestry_stride;
  const auto in_pages = [&](int j) -> KeyValue<T> {
    const int writer = row + (beam_slot < 0 ? 0 : ancestry[j]);
    const int block = table[writer * p.inputs.block_table_stride + j / p.pages.block_size];
    const int64_t at = p.pages.Offset(block, j % p.pages.block_size, kv_head);
    return {p.pages.keys + at, p.pages.values + at};
  };
  KeyStream<Layout, kWarps, decltype(in_pages)> past(
      shared, SpanOf(first_position, blockIdx.z, p.split.splits, kWarps * Tile::kKeys), size,
      in_pages);
  const HeadBias bias(p.bias, head);
  const auto bias_of = [&](int j) { return bias(j - position); };

  const int64_t keys_column = static_cast<int64_t>(p.shape.num_heads + kv_head) * size;
  const int64_t values_column = keys_column + static_cast<int64_t>(p.shape.num_kv_heads) * size;
  const auto in_step = [&](int j) -> KeyValue<T> {
    const T* from = p.query + (first_token + j - first_position) * p.query_stride;
    return {from + keys_column, from + values_column};
  };
  WaitForPredecessor();
  const T* mine = p.query + token * p.query_stride;
  // A warp's first own keys and the query are loaded together: nothing waits twice.
  const int own = first_position + static_cast<int>(threadIdx.x) / 32 * Tile::kKeys;
  const int end = blockIdx.z == 0 ? position + 1 : first_position;
  Tile tile;
  if (own < end) tile.Load(own, min(own + Tile::kKeys, end), size, in_step);
  WarpAttention<Layout> attention;
  attention.LoadQuery(mine + static_cast<int64_t>(head) * size, size, p.shape.scale);
  for (int first = own; first < end; first += kWarps * Tile::kKeys) {
    const int last = min(first + Tile::kKeys, end);
    if (first > own) tile.Load(first, last, size, in_step);
    attention.Attend(tile, first, last, size, bias_of);
  }
  past.ForEach([&](const Tile& keys, int first, int last) {
    attention.Attend(keys, first, last, size, bias_of);
  });
  if (blockIdx.z == 0 && head % sharing == 0) {
    WriteSlot<Layout>(p.pages, p.inputs.self_slots[token], kv_head, mine + keys_column,
                      mine + values_column);
  }
  FinishQuery<Layout, kWarps>(attention.result, size, p.split,
                              static_cast<int64_t>(token) * p.shape.num_heads + head,
                              reinterpret_cast<float*>(shared),
                              p.out + token * p.out_stride + static_cast<int64_t>(head) * size);
}

// A past of this many positions is not worth several blocks.
constexpr int64_t kKeysEach = 1024;

template <typename Layout, int kWarps>
void LaunchSelf(const DecoderAttention<typename Layout::T>& parameters, const SelfAttentionOp& op,
                const Step& step, Device& device) {
  const dim3 grid(step.num_tokens, op.shape.num_heads, parameters.split.splits);
  // The ring of keys, and afterwards what the warps came to.
  const size_t shared = std::max<size_t>(KeyStream<Layout, kWarps, int>::kBytes,
                                         kWarps * PartSize(op.shape.head_size) * sizeof(float));
  Launch(device, "self-attention", {grid, 32 * kWarps, shared}, SelfAttention<Layout, kWarps>,
         parameters);
}

}  // namespace

void Run(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  Device& device = resources.device;
  const int64_t blocks = step.num_tokens * op.shape.num_heads;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, blocks, op.shape,
                 step.decoder->block_table_stride * op.cache.block_size, kKeysEach);
  DispatchElement(op.cache.dtype, [&](auto element) {
    using T = decltype(element);
    DecoderAttention<T> parameters = ParametersOf<T>(op, op.qkv, step, split);
    parameters.bias = resources.biases.Get(op.bias);
    DispatchHeadSize<T>(op.shape.head_size, op.kernel != AttentionKernel::kCudaScalar,
                        [&](auto layout) {
                          using Layout = decltype(layout);
                          if (blocks <= 8 * device.multiprocessors()) {
                            LaunchSelf<Layout, 4>(parameters, op, step, device);
                          } else {  // a warp each: nothing to merge
                            LaunchSelf<Layout, 1>(parameters, op, step, device);
                          }
                        });
  });
}

}  // namespace transept::kernels::cuda
