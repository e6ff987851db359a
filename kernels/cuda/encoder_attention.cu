// Bidirectional attention within packed sources on any element type and head size. One thread block
// computes one query token and head: the fallback, and the way for float32, which tensor cores
// would round.
#include "kernels/cuda/bias.cuh"
#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/encoder_tensor_attention.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kWarps = 4;

template <typename T>
struct Parameters {
  const int32_t* offsets;
  const int32_t* positions;
  AttentionShape shape;
  BiasByDistance bias;
  const T* qkv;
  int64_t qkv_stride;
  T* out;
  int64_t out_stride;
};

// Grid: (tokens, heads).
template <typename Layout>
__global__ void __launch_bounds__(32 * kWarps)
    EncoderAttention(const Parameters<typename Layout::T> p) {
  using T = typename Layout::T;
  extern __shared__ float shared[];
  LetSuccessorStart();
  const int token = blockIdx.x;
  const int head = blockIdx.y;
  const int size = p.shape.head_size;
  const int kv_head = head / (p.shape.num_heads / p.shape.num_kv_heads);
  const int position = p.positions[token];
  const int begin = token - position;
  int source = 0;
  while (p.offsets[source + 1] <= token) ++source;
  const int length = p.offsets[source + 1] - begin;
  const int64_t keys = static_cast<int64_t>(p.shape.num_heads + kv_head) * size;
  const int64_t values = keys + static_cast<int64_t>(p.shape.num_kv_heads) * size;
  const HeadBias bias(p.bias, head);

  WaitForPredecessor();
  WarpAttention<Layout> attention;
  attention.LoadQuery(p.qkv + token * p.qkv_stride + static_cast<int64_t>(head) * size, size,
                      p.shape.scale);
  const auto locate = [&](int j) -> KeyValue<T> {
    const T* row = p.qkv + (begin + j) * p.qkv_stride;
    return {row + keys, row + values};
  };
  using Tile = KeyTile<Layout>;
  for (int first = static_cast<int>(threadIdx.x) / 32 * Tile::kKeys; first < length;
       first += kWarps * Tile::kKeys) {
    const int last = min(first + Tile::kKeys, length);
    Tile tile;
    tile.Load(first, last, size, locate);
    attention.Attend(tile, first, last, size, [&](int j) { return bias(j - position); });
  }
  FinishQuery<Layout, kWarps>(attention.result, size, {}, 0, shared,
                              p.out + token * p.out_stride + static_cast<int64_t>(head) * size);
}

}  // namespace

void Run(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  const bool tensor = op.kernel == AttentionKernel::kCudaTensor;
  if (tensor && TensorFits(op, resources)) return RunTensor(op, step, resources);
  DispatchElement(op.qkv.dtype, [&](auto element) {
    using T = decltype(element);
    const Parameters<T> parameters{.offsets = step.encoder->offsets,
                                   .positions = step.positions,
                                   .shape = op.shape,
                                   .bias = resources.biases.Get(op.bias),
                                   .qkv = static_cast<const T*>(op.qkv.data),
                                   .qkv_stride = op.qkv.stride,
                                   .out = static_cast<T*>(op.out.data),
                                   .out_stride = op.out.stride};
    DispatchHeadSize<T>(op.shape.head_size, op.kernel != AttentionKernel::kCudaScalar,
                        [&](auto layout) {
                          const size_t shared = kWarps * (op.shape.head_size + 2) * sizeof(float);
                          Launch(resources.device, "encoder attention",
                                 {dim3(step.num_tokens, op.shape.num_heads), 32 * kWarps, shared},
                                 EncoderAttention<decltype(layout)>, parameters);
                        });
  });
}

}  // namespace transept::kernels::cuda
