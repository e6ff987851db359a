#include "kernels/cuda/skinny.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/skinny_parts.cuh"
#include "kernels/cuda/tensor_core.cuh"

// A block computes some strips of 8 output features for all rows. Its warps split the depth, and
// everybody reads the weight in 16-byte pieces straight into the fragments of tensor cores: the
// order of the depth within a product is free as long as both operands agree on it, so lane (g, t)
// takes the 8 elements from 8 t on of row g in every 32 columns and calls them those that its
// fragments of two successive products want. The weight's first pieces are on their way before the
// kernel in front has ended.
namespace transept::kernels::cuda {
namespace {

__device__ inline uint4 LoadWeight(const void* from) {
  uint4 r;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
               : "l"(from));
  return r;
}

// The chunks that a warp works on at once, every kDepthWarps-th from `first` on; zeros beyond the
// end.
// No branch stands between the loads, so that all are under way together.
template <typename T, typename C>
struct WeightChunks {
  uint4 piece[C::kDepth][C::kWarpStrips];

  __device__ void Load(const T* const (&strips)[C::kWarpStrips], int first, int chunks) {
#pragma unroll
    for (int i = 0; i < C::kDepth; ++i) {
      const int chunk = first + i * C::kDepthWarps;
#pragma unroll
      for (int s = 0; s < C::kWarpStrips; ++s) {
        piece[i][s] = chunk < chunks ? LoadWeight(strips[s] + chunk * kChunk) : uint4{};
      }
    }
  }
};

template <typename T, typename C>
struct InputChunks {
  uint4 piece[C::kDepth][2 * C::kTiles];  // [chunk][rows g and g + 8 of each tile]

  __device__ void Load(const SkinnyParameters<T>& p, int first, int chunks) {
#pragma unroll
    for (int i = 0; i < C::kDepth; ++i) {
      const int chunk = min(first + i * C::kDepthWarps, chunks - 1);
#pragma unroll
      for (int half = 0; half < 2 * C::kTiles; ++half) {
        const int row = 8 * half + threadIdx.x % 32 / 4;
        const T* in = p.in + row * p.in_stride + chunk * kChunk + threadIdx.x % 4 * 8;
        piece[i][half] = row < p.rows ? *reinterpret_cast<const uint4*>(in) : uint4{};
      }
    }
  }
};

template <typename T, typename C>
__device__ void MultiplyChunks(const InputChunks<T, C>& in, const WeightChunks<T, C>& weights,
                               float (&c)[C::kWarpStrips][C::kTiles][4]) {
#pragma unroll
  for (int i = 0; i < C::kDepth; ++i) {
#pragma unroll
    for (int tile = 0; tile < C::kTiles; ++tile) {
      const uint4& low = in.piece[i][2 * tile];
      const uint4& high = in.piece[i][2 * tile + 1];
      const uint32_t a0[4] = {low.x, high.x, low.y, high.y};
      const uint32_t a1[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
      for (int s = 0; s < C::kWarpStrips; ++s) {
        const uint4& b = weights.piece[i][s];
        Multiply<T>(c[s][tile], a0, b.x, b.y);
        Multiply<T>(c[s][tile], a1, b.z, b.w);
      }
    }
  }
}

// Writes a result, and its share of the norm behind.
template <typename T>
__device__ void Store(const SkinnyParameters<T>& p, int row, int64_t feature, float value) {
  const int64_t at = row * p.out_stride + feature;
  if (p.out_float32) {
    static_cast<float*>(p.out)[at] = value;
  } else {
    static_cast<T*>(p.out)[at] = FromFloat<T>(value);
  }
  if (p.after.weight) {
    static_cast<T*>(p.after.scaled)[row * p.after.scaled_stride + feature] =
        FromFloat<T>(value * p.after.weight[feature]);
  }
}

// Adds the warps' sums up and writes the block's results. Afterwards the first warp's places hold
// the results.
template <typename C, typename T>
__device__ void Finish(const SkinnyParameters<T>& p, float (*sums)[C::kPlaces], const float* scales,
                       const Residuals<C>& residuals) {
  const auto sum_at = [&](int place) {
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < C::kDepthWarps; ++warp) sum += sums[warp][place];
    return sum;
  };
  const int places = p.up_offset ? C::kPlaces / 2 : C::kPlaces;
#pragma unroll
  for (int i = 0; i < Residuals<C>::kCount; ++i) {
    const int place = threadIdx.x + i * C::kThreads;
    if (place >= places) break;
    const Place<C> at(place, p.up_offset);
    float value = 0.0f;
    if (at.Inside(p)) {
      const float scale = p.before.weight ? scales[at.row] : 1.0f;
      value = sum_at(place) * scale;
      if (p.bias) value += p.bias[at.feature];
      value = Activate(p.activation, value);
      if (p.up_offset) value *= sum_at(place + places) * scale;
      value += residuals.value[i];
      Store(p, at.row, at.feature, value);
    }
    sums[0][place] = value;  // read by this thread alone until now
  }
}

// This block's part of each row's sum of squares.
template <typename C, typename T>
__device__ void StoreSquares(const SkinnyParameters<T>& p, const float* results) {
  for (int row = threadIdx.x; row < p.rows; row += C::kThreads) {
    float squares = 0.0f;
    for (int strip = 0; strip < C::kStrips; ++strip) {
      for (int column = 0; column < 8; ++column) {
        const int lane = row % 8 * 4 + column / 2;
        const float value = results[(strip * C::kTiles + row / 16) * 128 + lane * 4 +
                                    row % 16 / 8 * 2 + column % 2];
        squares += value * value;
      }
    }
    p.after.squares[row * p.after.parts + blockIdx.x] = squares;
  }
}

template <typename T, typename C>
__global__ void __launch_bounds__(C::kThreads, C::kBlocks)
    SkinnyKernel(const SkinnyParameters<T> p) {
  extern __shared__ __align__(16) char shared[];
  auto* const sums = reinterpret_cast<float(*)[C::kPlaces]>(shared);  // of each depth warp
  __shared__ float scales[16 * C::kTiles];
  LetSuccessorStart();
  const int depth_warp = threadIdx.x / 32 % C::kDepthWarps;
  const int first_strip = static_cast<int>(threadIdx.x) / 32 / C::kDepthWarps * C::kWarpStrips;
  const int lane = threadIdx.x % 32;
  const int chunks = static_cast<int>(p.depth / kChunk);
  const T* strips[C::kWarpStrips];
#pragma unroll
  for (int s = 0; s < C::kWarpStrips; ++s) {
    const int64_t feature = FirstFeature<C::kStrips>(first_strip + s, p.up_offset) + lane / 4;
    strips[s] = p.weight + min(feature, p.out_features - 1) * p.depth + lane % 4 * 8;
  }
  WeightChunks<T, C> weights;
  weights.Load(strips, depth_warp, chunks);
  WaitForPredecessor();
  NormScales<C> norm;
  if (p.before.weight) norm.Load(p);
  Residuals<C> residuals;
  residuals.Load(p);

  float c[C::kWarpStrips][C::kTiles][4] = {};
  constexpr int kStep = C::kDepthWarps * C::kDepth;
  for (int first = depth_warp; first < chunks; first += kStep) {
    InputChunks<T, C> in;
    in.Load(p, first, chunks);
    if constexpr (C::kPrefetches) {
      const WeightChunks<T, C> current = weights;
      weights.Load(strips, first + kStep, chunks);
      MultiplyChunks(in, current, c);
    } else {  // one load covers most depths
      MultiplyChunks(in, weights, c);
      if (first + kStep < chunks) weights.Load(strips, first + kStep, chunks);
    }
  }
#pragma unroll
  for (int s = 0; s < C::kWarpStrips; ++s) {
#pragma unroll
    for (int tile = 0; tile < C::kTiles; ++tile) {
      const int place = ((first_strip + s) * C::kTiles + tile) * 128 + 4 * lane;
      *reinterpret_cast<float4*>(&sums[depth_warp][place]) =
          make_float4(c[s][tile][0], c[s][tile][1], c[s][tile][2], c[s][tile][3]);
    }
  }
  if (p.before.weight) norm.Finish(p, scales);
  __syncthreads();
  Finish<C>(p, sums, scales, residuals);
  if (p.after.weight) {
    __syncthreads();
    StoreSquares<C>(p, sums[0]);
  }
}

// Calls fn with the Cut for a product of up to 16 rows. `each`: strips for every multiprocessor. Of
// a deep weight one block for each of them takes them all, so that everybody is at work from
// beginning to end with as much under way as registers allow; of a shallow one more and smaller
// blocks do better. All were measured on an H200, in whole decoder steps.
template <typename Fn>
auto DispatchOneTile(int64_t each, bool gated, bool shallow, Fn fn) {
  if (each > 20) return fn(Cut<1, 4, 1, 8, 2>{});
  if (shallow) return gated ? fn(Cut<1, 2, 1, 8, 2>{}) : fn(Cut<1, 1, 1, 8, 4>{});
  if (each > 6) return fn(Cut<1, 10, 2, 8, 1>{});
  if (each > 2) return fn(Cut<1, 6, 1, 16, 1>{});
  if (each == 2 || gated) return fn(Cut<1, 2, 1, 16, 4>{});
  return fn(Cut<1, 1, 1, 16, 6>{});
}

// The same for up to 32 rows, where reading the input again and again is what costs.
template <typename Fn>
auto DispatchTwoTiles(int64_t each, bool gated, Fn fn) {
  if (each > 20) return fn(Cut<2, 8, 2, 8, 1>{});
  if (each > 6) return fn(Cut<2, 10, 2, 8, 1>{});
  if (each > 4) return fn(Cut<2, 6, 2, 8, 2>{});
  if (each == 4 || (each == 3 && gated)) return fn(Cut<2, 4, 2, 8, 2>{});
  if (each == 3) return fn(Cut<2, 3, 1, 16, 2>{});
  if (each == 2 || gated) return fn(Cut<2, 2, 1, 16, 2>{});
  return fn(Cut<2, 1, 1, 16, 2>{});
}

template <typename Fn>
auto DispatchCut(const SkinnyProduct& product, const Device& device, Fn fn) {
  const int64_t strips = (product.weight.rows + 7) / 8;
  const int64_t each = (strips + device.multiprocessors() - 1) / device.multiprocessors();
  if (product.rows > 16) return DispatchTwoTiles(each, product.gated, fn);
  return DispatchOneTile(each, product.gated, product.weight.cols <= 1024, fn);
}

template <typename T>
SkinnyParameters<T> ParametersOf(const SkinnyProduct& product) {
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
          .rows = static_cast<int>(product.rows),
          .before = product.norm_before,
          .after = product.norm_after};
}

template <typename T>
void LaunchSkinny(const SkinnyProduct& product, Device& device) {
  DispatchCut(product, device, [&](auto cut) {
    using C = decltype(cut);
    Launch(device, "a product of few rows",
           {dim3(static_cast<unsigned>(PartsOf(product, device))), C::kThreads, C::kSharedBytes},
           SkinnyKernel<T, C>, ParametersOf<T>(product));
  });
}

}  // namespace

SkinnyProduct SkinnyOf(const LinearOp& op, int64_t rows) {
  return {.weight = op.weight,
          .bias = op.bias,
          .activation = op.activation,
          .in = op.in,
          .residual = op.residual,
          .out = op.out,
          .rows = rows};
}

SkinnyProduct SkinnyOf(const GatedLinearOp& op, int64_t rows) {
  return {.weight = op.weight,
          .activation = op.activation,
          .gated = true,
          .in = op.in,
          .out = op.out,
          .rows = rows};
}

bool SkinnySupports(const SkinnyProduct& product) {
  const int64_t features = product.gated ? product.weight.rows / 2 : product.weight.rows;
  return product.rows <= kMaxSkinnyRows && product.weight.dtype != DataType::kFloat32 &&
         product.weight.dtype == product.in.dtype && product.weight.cols % kChunk == 0 &&
         product.in.stride % 8 == 0 && (!product.gated || features % 16 == 0);
}

SplitNorm Split(const NormOp* norm, float* squares, int32_t parts) {
  if (norm == nullptr) return {};
  return {.weight = norm->weight.data,
          .eps = norm->eps,
          .output_scale = norm->output_scale,
          .width = norm->in.width,
          .scaled = norm->out.data,
          .scaled_stride = norm->out.stride,
          .squares = squares,
          .parts = parts};
}

int32_t PartsOf(const SkinnyProduct& product, const Device& device) {
  const int64_t strips = (product.weight.rows + 7) / 8;
  return DispatchCut(product, device, [&](auto cut) {
    return static_cast<int32_t>((strips + cut.kStrips - 1) / cut.kStrips);
  });
}

void Run(const SkinnyProduct& product, Device& device) {
  if (product.weight.dtype == DataType::kBFloat16) {
    LaunchSkinny<BFloat16>(product, device);
  } else {
    LaunchSkinny<Float16>(product, device);
  }
}

}  // namespace transept::kernels::cuda
