#include "kernels/cuda/encoder_tensor_attention.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tile_bias.cuh"

namespace transept::kernels::cuda {
namespace {

template <typename T>
struct Parameters {
  const int32_t* offsets;
  AttentionShape shape;
  BiasByDistance bias;
  const T* qkv;
  int64_t qkv_stride;
  T* out;
  int64_t out_stride;
};

// Grid: (query tiles of the longest source, heads, sources).
template <typename T, int kHead>
__global__ void __launch_bounds__(kTileThreads) TensorAttention(const Parameters<T> p) {
  extern __shared__ __align__(16) char shared[];
  auto& tiles = *reinterpret_cast<SharedTiles<T, kHead>*>(shared);
  float* const bias = reinterpret_cast<float*>(shared + sizeof(SharedTiles<T, kHead>));
  LetSuccessorStart();
  const int begin = p.offsets[blockIdx.z];
  const int length = p.offsets[blockIdx.z + 1] - begin;
  const int first = blockIdx.x * kTileRows;
  if (first >= length) return;
  const int head = blockIdx.y;
  const int size = p.shape.head_size;
  const int64_t kv_column =
      static_cast<int64_t>(head / (p.shape.num_heads / p.shape.num_kv_heads)) * size;
  const int64_t all_queries = static_cast<int64_t>(p.shape.num_heads) * size;
  const int64_t all_keys = static_cast<int64_t>(p.shape.num_kv_heads) * size;
  const T* const source = p.qkv + begin * p.qkv_stride;
  const T* const keys = source + all_queries + kv_column;
  const T* const values = keys + all_keys;
  const int reach = p.bias.values ? p.bias.reach : -1;
  if (reach >= 0) TileBias::Load(p.bias.values + head * (2 * reach + 1), reach, bias);

  WaitForPredecessor();
  tiles.query.Load(source + first * p.qkv_stride + static_cast<int64_t>(head) * size, p.qkv_stride,
                   length - first, size);
  const auto load = [&](int stage, int key) {
    tiles.keys[stage].Load(keys + key * p.qkv_stride, p.qkv_stride, length - key, size);
    tiles.values[stage].Load(values + key * p.qkv_stride, p.qkv_stride, length - key, size);
    CommitCopies();
  };
  load(0, 0);

  WarpTile<T, kHead> warp;
  const int query = first + threadIdx.x / 32 * 16;
  for (int key = 0, stage = 0; key < length; key += kTileRows, stage ^= 1) {
    if (key + kTileRows < length) {
      load(stage ^ 1, key + kTileRows);
      WaitForCopies<1>();
    } else {
      WaitForCopies<0>();
    }
    __syncthreads();
    if (key == 0) warp.LoadQuery(tiles.query);
    float scores[kKeyTiles][4] = {};
    warp.Score(scores, tiles.keys[stage]);
    TileBias{bias, reach}.Add(scores, p.shape.scale * kLog2E, query, key);
    if (length - key < kTileRows) TileBias::Mask(scores, length - key);
    warp.Normalize(scores);
    warp.AddValues(scores, tiles.values[stage]);
    __syncthreads();
  }

  warp.Store({p.out, p.out_stride, head, size}, begin, query, length);
}

template <typename T, int kHead>
void LaunchTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  const BiasByDistance bias = resources.biases.Get(op.bias);
  const Parameters<T> parameters{.offsets = step.encoder->offsets,
                                 .shape = op.shape,
                                 .bias = bias,
                                 .qkv = static_cast<const T*>(op.qkv.data),
                                 .qkv_stride = op.qkv.stride,
                                 .out = static_cast<T*>(op.out.data),
                                 .out_stride = op.out.stride};
  const dim3 grid((step.encoder->max_source_tokens + kTileRows - 1) / kTileRows, op.shape.num_heads,
                  step.encoder->num_sources);
  Launch(resources.device, "encoder attention", {grid, kTileThreads, TileBytes<kHead>(bias)},
         TensorAttention<T, kHead>, parameters);
}

template <typename T>
void DispatchTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  DispatchTileWidth(op.shape.head_size,
                    [&](auto width) { LaunchTensor<T, width()>(op, step, resources); });
}

}  // namespace

bool TensorFits(const EncoderAttentionOp& op, const Resources& resources) {
  return TilesFit(op.shape.head_size, resources.biases.Get(op.bias), resources.device);
}

void RunTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  if (op.qkv.dtype == DataType::kBFloat16) return DispatchTensor<BFloat16>(op, step, resources);
  return DispatchTensor<Float16>(op, step, resources);
}

}  // namespace transept::kernels::cuda
