// Cross-attention of decoder rows over their sources' pages, on any element type and head size: the
// fallback, and the way for float32, which tensor cores would round.
#include "kernels/cuda/cross_tensor_attention.h"
#include "kernels/cuda/decoder_attention.cuh"
#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int64_t kKeysEach = 64;  // that are worth a block

// Grid: (sources, heads, splits). A block serves all query tokens of its source, one by one.
template <typename Layout>
__global__ void __launch_bounds__(32 * kWarps)
    CrossAttention(const DecoderAttention<typename Layout::T> p) {
  using T = typename Layout::T;
  using Tile = KeyTile<Layout>;
  extern __shared__ float shared[];
  LetSuccessorStart();
  const int source = blockIdx.x;
  const int head = blockIdx.y;
  const int size = p.shape.head_size;
  const int kv_head = p.sharing.Divide(head);
  const int begin = p.inputs.query_offsets[p.inputs.source_offsets[source]];
  const int end = p.inputs.query_offsets[p.inputs.source_offsets[source + 1]];
  const int32_t* table = p.inputs.cross_block_tables + source * p.inputs.cross_block_table_stride;
  const KeySpan span =
      SpanOf(p.inputs.cross_lengths[source], blockIdx.z, p.split.splits, kWarps * Tile::kKeys);
  const auto locate = [&](int j) -> KeyValue<T> {
    const int index = p.block_size.Divide(j);
    const int64_t at = p.pages.Offset(table[index], j - index * p.block_size.value(), kv_head);
    return {p.pages.keys + at, p.pages.values + at};
  };

  WaitForPredecessor();
  for (int token = begin; token < end; ++token) {
    const int64_t column = static_cast<int64_t>(head) * size;
    WarpAttention<Layout> attention;
    attention.LoadQuery(p.query + token * p.query_stride + column, size, p.shape.scale);
    const int mine = span.begin + static_cast<int>(threadIdx.x) / 32 * Tile::kKeys;
    for (int first = mine; first < span.end; first += kWarps * Tile::kKeys) {
      const int last = min(first + Tile::kKeys, span.end);
      Tile tile;
      tile.Load(first, last, size, locate);
      attention.Attend(tile, first, last, size, [](int) { return 0.0f; });
    }
    FinishQuery<Layout, kWarps>(attention.result, size, p.split,
                                static_cast<int64_t>(token) * p.shape.num_heads + head, shared,
                                p.out + token * p.out_stride + column);
  }
}

}  // namespace

void Run(const CrossAttentionOp& op, const Step& step, Resources& resources) {
  if (op.kernel == AttentionKernel::kCudaTensor) return RunTensor(op, step, resources);
  Device& device = resources.device;
  const int64_t sources = step.decoder->num_sources;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, sources * op.shape.num_heads, op.shape,
                 step.decoder->cross_block_table_stride * op.cache.block_size, kKeysEach);
  DispatchElement(op.cache.dtype, [&](auto element) {
    using T = decltype(element);
    const DecoderAttention<T> parameters = ParametersOf<T>(op, op.query, step, split);
    DispatchHeadSize<T>(op.shape.head_size, op.kernel == AttentionKernel::kCuda, [&](auto layout) {
      const dim3 grid(sources, op.shape.num_heads, split.splits);
      const size_t shared = kWarps * PartSize(op.shape.head_size) * sizeof(float);
      Launch(device, "cross-attention", {grid, 32 * kWarps, shared},
             CrossAttention<decltype(layout)>, parameters);
    });
  });
}

}  // namespace transept::kernels::cuda
