#include "kernels/cuda/skinny.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tensor_core.cuh"

// A block computes kStrips strips of 8 output features for all rows. Its warps split the depth, so
// that everybody reads the weight in 16-byte pieces straight into the fragments of tensor cores:
// the order of the depth within a product is free as long as both operands agree on it, so lane (g,
// t) takes the 8 elements from 8 t on of row g in every 32 columns and calls them those that its
// fragments of two successive products want.
namespace transept::kernels::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int kChunk = 32;  // columns of two products
constexpr int kDepth = 4;   // chunks that a warp loads at once

template <typename T>
struct Parameters {
  const T* weight;
  int64_t out_features;  // rows of the weight
  int64_t depth;
  const float* bias;
  ActivationFunction activation;
  int64_t up_offset;  // gated: rows from a gate's to its up projection's; 0 = not gated
  const T* in;
  int64_t in_stride;
  const float* residual;
  int64_t residual_stride;
  void* out;
  int64_t out_stride;
  bool out_float32;
  int rows;
};

__device__ inline uint4 LoadWeight(const void* from) {
  uint4 r;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
               : "l"(from));
  return r;
}

// The first weight row of strip `strip` of this block.
template <int kStrips>
__device__ inline int64_t FirstFeature(int strip, int64_t up_offset) {
  if (up_offset == 0) return (static_cast<int64_t>(blockIdx.x) * kStrips + strip) * 8;
  constexpr int kHalf = kStrips > 1 ? kStrips / 2 : 1;
  const int64_t gate = (static_cast<int64_t>(blockIdx.x) * kHalf + strip % kHalf) * 8;
  return strip < kHalf ? gate : gate + up_offset;
}

template <typename T, int kStrips>
struct WeightChunks {
  uint4 piece[kDepth][kStrips];

  __device__ void Load(const T* const (&strips)[kStrips], int first, int chunks) {
#pragma unroll
    for (int i = 0; i < kDepth; ++i) {
      const int chunk = min(first + i * kWarps, chunks - 1);
#pragma unroll
      for (int s = 0; s < kStrips; ++s) piece[i][s] = LoadWeight(strips[s] + chunk * kChunk);
    }
  }
};

template <typename T>
__device__ void Store(const Parameters<T>& p, int row, int64_t feature, float value) {
  if (p.residual) value += p.residual[row * p.residual_stride + feature];
  const int64_t at = row * p.out_stride + feature;
  if (p.out_float32) {
    static_cast<float*>(p.out)[at] = value;
  } else {
    static_cast<T*>(p.out)[at] = FromFloat<T>(value);
  }
}

// Adds the warps' sums up and writes the block's results. A sum's place is [strip][tile][element],
// element = 4 * lane + index within the lane's fragment.
template <typename T, int kTiles, int kStrips>
__device__ void Finish(const Parameters<T>& p, float (*sums)[kStrips * kTiles * 128]) {
  const auto sum_at = [&](int place) {
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) sum += sums[warp][place];
    return sum;
  };
  const int strips = p.up_offset ? kStrips / 2 : kStrips;
  for (int place = threadIdx.x; place < strips * kTiles * 128; place += kThreads) {
    const int strip = place / (kTiles * 128);
    const int tile = place / 128 % kTiles;
    const int lane = place % 128 / 4;
    const int row = 16 * tile + lane / 4 + place % 4 / 2 * 8;
    const int64_t feature = FirstFeature<kStrips>(strip, p.up_offset) + lane % 4 * 2 + place % 2;
    if (row >= p.rows || feature >= p.out_features) continue;
    float value = sum_at(place);
    if (p.bias) value += p.bias[feature];
    value = Activate(p.activation, value);
    if (p.up_offset) value *= sum_at(place + strips * kTiles * 128);
    Store(p, row, feature, value);
  }
}

// kTiles * 16 rows at most.
template <typename T, int kTiles, int kStrips>
__global__ void __launch_bounds__(kThreads) SkinnyKernel(const Parameters<T> p) {
  __shared__ float sums[kWarps][kStrips * kTiles * 128];
  LetSuccessorStart();
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int group = lane / 4;
  const int column = lane % 4 * 8;
  const int chunks = static_cast<int>(p.depth / kChunk);
  const T* strips[kStrips];
#pragma unroll
  for (int s = 0; s < kStrips; ++s) {
    const int64_t feature = FirstFeature<kStrips>(s, p.up_offset) + group;
    strips[s] = p.weight + min(feature, p.out_features - 1) * p.depth + column;
  }
  WeightChunks<T, kStrips> weights;
  weights.Load(strips, warp, chunks);
  WaitForPredecessor();

  float c[kStrips][kTiles][4] = {};
  for (int first = warp; first < chunks; first += kWarps * kDepth) {
    const WeightChunks<T, kStrips> current = weights;
    if (first + kWarps * kDepth < chunks) {
      weights.Load(strips, first + kWarps * kDepth, chunks);
    }
#pragma unroll
    for (int i = 0; i < kDepth; ++i) {
      const int chunk = first + i * kWarps;
      if (chunk >= chunks) break;
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        const int row = 16 * tile + group;
        const T* in = p.in + row * p.in_stride + chunk * kChunk + column;
        uint4 low = {}, high = {};
        if (row < p.rows) low = *reinterpret_cast<const uint4*>(in);
        if (row + 8 < p.rows) high = *reinterpret_cast<const uint4*>(in + 8 * p.in_stride);
        const uint32_t a0[4] = {low.x, high.x, low.y, high.y};
        const uint32_t a1[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
        for (int s = 0; s < kStrips; ++s) {
          const uint4& b = current.piece[i][s];
          Multiply<T>(c[s][tile], a0, b.x, b.y);
          Multiply<T>(c[s][tile], a1, b.z, b.w);
        }
      }
    }
  }
#pragma unroll
  for (int s = 0; s < kStrips; ++s) {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      *reinterpret_cast<float4*>(&sums[warp][(s * kTiles + tile) * 128 + 4 * lane]) =
          make_float4(c[s][tile][0], c[s][tile][1], c[s][tile][2], c[s][tile][3]);
    }
  }
  __syncthreads();
  Finish<T, kTiles, kStrips>(p, sums);
}

template <typename T, int kTiles, int kStrips>
void LaunchSkinny(const Parameters<T>& p, Device& device) {
  const int64_t strips = (p.out_features + 7) / 8;
  Launch(device, "a product of few rows",
         {dim3(static_cast<unsigned>((strips + kStrips - 1) / kStrips)), kThreads},
         SkinnyKernel<T, kTiles, kStrips>, p);
}

// As many strips a block as leave two blocks for every multiprocessor; the more rows, the more the
// input's traffic asks for wide blocks.
template <typename T>
void Dispatch(const Parameters<T>& p, Device& device) {
  const int64_t strips = (p.out_features + 7) / 8;
  const bool wide = strips >= 8 * device.multiprocessors();
  if (p.rows <= 16) {
    if (wide) return LaunchSkinny<T, 1, 4>(p, device);
    if (p.up_offset) return LaunchSkinny<T, 1, 2>(p, device);
    return LaunchSkinny<T, 1, 1>(p, device);
  }
  if (p.rows <= 32) {
    if (wide) return LaunchSkinny<T, 2, 4>(p, device);
    return LaunchSkinny<T, 2, 2>(p, device);
  }
  return LaunchSkinny<T, 4, 2>(p, device);
}

template <typename T>
Parameters<T> ParametersOf(const SkinnyProduct& product) {
  return {.weight = static_cast<const T*>(product.weight.data),
          .out_features = product.weight.rows,
          .depth = product.weight.cols,
          .bias = product.bias.data,
          .activation = product.activation,
          .up_offset = product.gated ? product.weight.rows / 2 : 0,
          .in = static_cast<const T*>(product.in.data),
          .in_stride = product.in.stride,
          .residual = static_cast<const float*>(product.residual.data),
          .residual_stride = product.residual.stride,
          .out = product.out.data,
          .out_stride = product.out.stride,
          .out_float32 = product.out.dtype == DataType::kFloat32,
          .rows = static_cast<int>(product.rows)};
}

}  // namespace

bool SkinnySupports(const SkinnyProduct& product) {
  const int64_t features = product.gated ? product.weight.rows / 2 : product.weight.rows;
  return product.rows <= kMaxSkinnyRows && product.weight.dtype != DataType::kFloat32 &&
         product.weight.dtype == product.in.dtype && product.weight.cols % kChunk == 0 &&
         product.in.stride % 8 == 0 && (!product.gated || features % 16 == 0);
}

void Run(const SkinnyProduct& product, Device& device) {
  if (product.weight.dtype == DataType::kBFloat16) {
    Dispatch(ParametersOf<BFloat16>(product), device);
  } else {
    Dispatch(ParametersOf<Float16>(product), device);
  }
}

}  // namespace transept::kernels::cuda
