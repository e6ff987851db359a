#include "kernels/cuda/encoder_tensor_attention.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/bias.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tensor_core.cuh"

// Attention in tiles that never leave the multiprocessor, after Dao, "FlashAttention-2" (2023): a
// block holds 64 queries of one source and head, streams the keys past them in tiles of 64, and
// rescales its running sums when a larger score turns up.
namespace transept::kernels::cuda {
namespace {

constexpr int kTile = 64;  // queries of a block, keys of a step
constexpr int kWarps = 4;  // 16 queries each
constexpr int kThreads = 32 * kWarps;
constexpr int kKeyTiles = kTile / 8;  // of 8 keys, as tensor cores take them
constexpr float kLog2E = 1.44269504f;

// 2^x, to 2 units in the last place.
__device__ inline float Exp2(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

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

// A tile of kTile rows in shared memory. The padding spreads a column over all banks.
template <typename T, int kHead>
struct Tile {
  static constexpr int kStride = kHead + 8;
  T element[kTile * kStride];

  __device__ T* At(int row, int column) { return element + row * kStride + column; }

  // Starts copying `rows` rows of head_size columns; the rest becomes zero.
  __device__ void Load(const T* from, int64_t stride, int rows, int head_size) {
    constexpr int kPacks = kHead / 8;
    for (int i = threadIdx.x; i < kTile * kPacks; i += kThreads) {
      const int row = i / kPacks;
      const int column = i % kPacks * 8;
      const bool valid = row < rows && column < head_size;
      CopyAsync(At(row, column), valid ? from + row * stride + column : from, valid);
    }
  }
};

template <typename T, int kHead>
struct SharedTiles {
  Tile<T, kHead> query;
  Tile<T, kHead> keys[2];
  Tile<T, kHead> values[2];
};

// A warp's 16 queries: rows g and g + 8 of every fragment belong to this lane.
template <typename T, int kHead>
struct WarpTile {
  uint32_t query[kHead / 16][4];
  float out[kHead / 8][4] = {};
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {};

  __device__ void LoadQuery(Tile<T, kHead>& tile) {
    const int lane = threadIdx.x % 32;
    const int row = threadIdx.x / 32 * 16 + lane % 16;
#pragma unroll
    for (int k = 0; k < kHead / 16; ++k)
      LoadMatrices(query[k], tile.At(row, 16 * k + lane / 16 * 8));
  }

  __device__ void Score(float (&scores)[kKeyTiles][4], Tile<T, kHead>& keys) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int pair = 0; pair < kKeyTiles / 2; ++pair) {
#pragma unroll
      for (int k = 0; k < kHead / 16; ++k) {
        uint32_t b[4];
        const int row = 16 * pair + lane / 16 * 8 + lane % 8;
        LoadMatrices(b, keys.At(row, 16 * k + lane / 8 % 2 * 8));
        Multiply<T>(scores[2 * pair], query[k], b[0], b[1]);
        Multiply<T>(scores[2 * pair + 1], query[k], b[2], b[3]);
      }
    }
  }

  // Turns scores into weights and makes the sums so far relative to the new largest score.
  __device__ void Normalize(float (&scores)[kKeyTiles][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float next = largest[half];
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n) {
        next = fmaxf(next, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      }
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 1));
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 2));
      if (__any_sync(~0u, next > largest[half])) {  // seldom, after the first tiles
        const float correction = Exp2(largest[half] - next);
        largest[half] = next;
        total[half] *= correction;
#pragma unroll
        for (int n = 0; n < kHead / 8; ++n) {
          out[n][2 * half] *= correction;
          out[n][2 * half + 1] *= correction;
        }
      }
      float sum = 0.0f;
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = Exp2(scores[n][i] - next);
          sum += scores[n][i];
        }
      }
      total[half] += sum;
    }
  }

  __device__ void AddValues(const float (&weights)[kKeyTiles][4], Tile<T, kHead>& values) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < kTile / 16; ++k) {
      const float(&low)[4] = weights[2 * k];
      const float(&high)[4] = weights[2 * k + 1];
      const uint32_t a[4] = {PackPair<T>(low[0], low[1]), PackPair<T>(low[2], low[3]),
                             PackPair<T>(high[0], high[1]), PackPair<T>(high[2], high[3])};
#pragma unroll
      for (int pair = 0; pair < kHead / 16; ++pair) {
        uint32_t b[4];
        LoadMatricesTransposed(b, values.At(16 * k + lane % 16, 16 * pair + lane / 16 * 8));
        Multiply<T>(out[2 * pair], a, b[0], b[1]);
        Multiply<T>(out[2 * pair + 1], a, b[2], b[3]);
      }
    }
  }
};

// The bias of one head, in units of log 2 like everything that goes into the softmax here. What
// lies beyond the reach has the outermost values, which a margin repeats: no tile that reaches it
// partly reads outside.
struct TileBias {
  static constexpr int kMargin = kTile + 16;

  const float* values;  // shared memory [Size(reach)], by distance + reach + kMargin
  int reach;            // -1 = no bias

  __host__ __device__ static int Size(int reach) { return 2 * (reach + kMargin) + 1; }

  // Fills `shared` by all threads of a block. `from` [2 * reach + 1]: by distance + reach.
  __device__ static void Load(const float* from, int reach, float* shared) {
    for (int i = threadIdx.x; i < Size(reach); i += kThreads) {
      shared[i] = from[min(max(i - kMargin, 0), 2 * reach)] * kLog2E;
    }
  }

  // Scores of a warp's queries from `query` on and kTile keys from `key` on: score * scale + bias.
  __device__ void Add(float (&scores)[kKeyTiles][4], float scale, int query, int key) const {
    const int nearest_left = key + kTile - 1 - query;  // largest distance
    const int nearest_right = key - (query + 15);      // smallest distance
    if (reach < 0 || nearest_left <= -reach || nearest_right >= reach) {
      const float all = reach < 0 ? 0.0f : values[nearest_left <= -reach ? 0 : Size(reach) - 1];
      ForEach(scores, [&](float score, int, int) { return score * scale + all; });
      return;
    }
    const float* const at = values + key - query + reach + kMargin;
    ForEach(scores,
            [&](float score, int row, int column) { return score * scale + at[column - row]; });
  }

  // Keys from `count` on become impossible.
  __device__ static void Mask(float (&scores)[kKeyTiles][4], int count) {
    ForEach(scores,
            [&](float score, int, int column) { return column < count ? score : -INFINITY; });
  }

 private:
  // score = fn(score, row, column) for this lane's scores.
  template <typename Fn>
  __device__ static void ForEach(float (&scores)[kKeyTiles][4], Fn fn) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < kKeyTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scores[n][i] = fn(scores[n][i], lane / 4 + i / 2 * 8, 8 * n + 2 * (lane % 4) + i % 2);
      }
    }
  }
};

// Grid: (query tiles of the longest source, heads, sources).
template <typename T, int kHead>
__global__ void __launch_bounds__(kThreads) TensorAttention(const Parameters<T> p) {
  extern __shared__ __align__(16) char shared[];
  auto& tiles = *reinterpret_cast<SharedTiles<T, kHead>*>(shared);
  float* const bias = reinterpret_cast<float*>(shared + sizeof(SharedTiles<T, kHead>));
  LetSuccessorStart();
  const int begin = p.offsets[blockIdx.z];
  const int length = p.offsets[blockIdx.z + 1] - begin;
  const int first = blockIdx.x * kTile;
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
  for (int key = 0, stage = 0; key < length; key += kTile, stage ^= 1) {
    if (key + kTile < length) {
      load(stage ^ 1, key + kTile);
      WaitForCopies<1>();
    } else {
      WaitForCopies<0>();
    }
    __syncthreads();
    if (key == 0) warp.LoadQuery(tiles.query);
    float scores[kKeyTiles][4] = {};
    warp.Score(scores, tiles.keys[stage]);
    TileBias{bias, reach}.Add(scores, p.shape.scale * kLog2E, query, key);
    if (length - key < kTile) TileBias::Mask(scores, length - key);
    warp.Normalize(scores);
    warp.AddValues(scores, tiles.values[stage]);
    __syncthreads();
  }

  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float total = warp.total[half];
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    const int row = query + lane / 4 + 8 * half;
    if (row >= length) continue;
    T* const out = p.out + (begin + row) * p.out_stride + static_cast<int64_t>(head) * size;
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n) {
      if (8 * n >= size) continue;
      const uint32_t pair =
          PackPair<T>(warp.out[n][2 * half] / total, warp.out[n][2 * half + 1] / total);
      *reinterpret_cast<uint32_t*>(out + 8 * n + 2 * (lane % 4)) = pair;
    }
  }
}

// float16 takes as much as bfloat16.
template <int kHead>
size_t SharedBytes(const BiasByDistance& bias) {
  return sizeof(SharedTiles<BFloat16, kHead>) +
         (bias.values ? TileBias::Size(bias.reach) : 0) * sizeof(float);
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
  const dim3 grid((step.encoder->max_source_tokens + kTile - 1) / kTile, op.shape.num_heads,
                  step.encoder->num_sources);
  Launch(resources.device, "encoder attention", {grid, kThreads, SharedBytes<kHead>(bias)},
         TensorAttention<T, kHead>, parameters);
}

template <typename T>
void DispatchTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  if (op.shape.head_size <= 32) return LaunchTensor<T, 32>(op, step, resources);
  if (op.shape.head_size <= 64) return LaunchTensor<T, 64>(op, step, resources);
  return LaunchTensor<T, 128>(op, step, resources);
}

}  // namespace

bool TensorFits(const EncoderAttentionOp& op, const Resources& resources) {
  const BiasByDistance bias = resources.biases.Get(op.bias);
  const size_t shared = op.shape.head_size <= 32   ? SharedBytes<32>(bias)
                        : op.shape.head_size <= 64 ? SharedBytes<64>(bias)
                                                   : SharedBytes<128>(bias);
  return shared <= resources.device.max_shared_bytes();
}

void RunTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  if (op.qkv.dtype == DataType::kBFloat16) return DispatchTensor<BFloat16>(op, step, resources);
  return DispatchTensor<Float16>(op, step, resources);
}

}  // namespace transept::kernels::cuda
