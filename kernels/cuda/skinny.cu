#include "kernels/cuda/skinny.h"

#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_results.cuh"
#include "kernels/cuda/tensor_core.cuh"

// A block computes some strips of 8 output features for all rows. Its warps split the depth, and
// everybody reads the weight in 16-byte pieces straight into the fragments of tensor cores: the
// order of the depth within a product is free as long as both operands agree on it, so lane (g, t)
// takes the 8 elements from 8 t on of row g in every 32 columns and calls them those that its
// fragments of two successive products want. The weight's first pieces are on their way before the
// kernel in front has ended.
namespace transept::kernels::cuda {
namespace {

constexpr int kChunk = 32;  // columns of two products

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

  __device__ void Load(const ProductParameters<T>& p, int first, int chunks) {
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

template <typename T, typename C>
__global__ void __launch_bounds__(C::kThreads) SkinnyKernel(const ProductParameters<T> p) {
  extern __shared__ __align__(16) char shared[];
  auto* const sums = reinterpret_cast<float(*)[C::kPlaces]>(shared);  // of each depth warp
  __shared__ RowScale scales[16 * C::kTiles];
  __shared__ FeatureConstants constants[BlockConstants<C>::kCount];
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
  BlockConstants<C> block_constants;
  block_constants.Load(p);
  WaitForPredecessor();
  const SplitNorm& split = p.before.weight ? p.before : p.of_residual;
  NormScales<C> norm(split, p.rows, reinterpret_cast<RowSums*>(shared + C::kSharedBytes));
  if (split.weight) norm.Load();
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
  if (split.weight) norm.Finish(scales);
  block_constants.Share(constants);
  __syncthreads();
  Finish<C>(p, sums, scales, constants, residuals);
  if (p.after.weight) {
    __syncthreads();
    StoreSums<C>(p, sums[0]);
  }
}

// Dynamic shared memory of a block: its warps' sums, and the parts of a norm.
template <typename C>
size_t SharedBytes(const FusedProduct& product) {
  const int32_t parts = std::max(product.norm_before.parts, product.norm_residual.parts);
  return C::kSharedBytes + NormScales<C>::Bytes(parts);
}

// Calls fn with the Cut for a product of up to 16 rows. `each`: strips for every multiprocessor.
// One block for each takes them all, with 16 warps, so that everybody is at work from beginning to
// end; and a warp loads as much at once as makes the depth a whole number of loads, up to what
// registers hold. `paired`: there is one strip for most multiprocessors, so that half of them do
// with two each, and on the others the next kernel's blocks begin to load. All were measured on an
// H200, by tests/bench/gpu_products_bench.cc and in whole decoder steps.
template <typename Fn>
auto DispatchOneTile(int64_t each, bool gated, bool paired, int64_t depth, Fn fn) {
  if (each > 6) return fn(Cut<1, 10, 2, 8, 1>{});
  if (each > 4) return depth <= 1024 ? fn(Cut<1, 6, 2, 8, 4>{}) : fn(Cut<1, 6, 1, 16, 1>{});
  if (each == 4 || (each == 3 && gated)) return fn(Cut<1, 4, 2, 8, 4>{});
  if (each == 3) return fn(Cut<1, 3, 1, 16, 2>{});
  if (depth <= 1024) {
    return each == 2 || gated || paired ? fn(Cut<1, 2, 1, 16, 2>{}) : fn(Cut<1, 1, 1, 16, 2>{});
  }
  if (each == 2 || gated) return fn(Cut<1, 2, 1, 16, 4>{});
  return depth > 2048 && depth <= 3072 ? fn(Cut<1, 1, 1, 16, 6>{}) : fn(Cut<1, 1, 1, 16, 4>{});
}

// The same for up to 32 rows, where reading the input again and again is what costs. Not every GPU
// lets a block have the memory of the widest cut (`wide_fits`).
using WideCut = Cut<2, 10, 2, 8, 1>;
template <typename Fn>
auto DispatchTwoTiles(int64_t each, bool gated, bool paired, int64_t depth, bool wide_fits, Fn fn) {
  if (each > 6 && wide_fits) return fn(WideCut{});
  if (each > 4) return fn(Cut<2, 6, 2, 8, 2>{});
  if (each == 4 || (each == 3 && gated)) return fn(Cut<2, 4, 2, 8, 2>{});
  if (each == 3) return fn(Cut<2, 3, 1, 16, 2>{});
  if (depth <= 1024) {
    if (each == 2 || gated) return fn(Cut<2, 2, 2, 8, 2>{});
    return paired ? fn(Cut<2, 2, 2, 8, 4>{}) : fn(Cut<2, 1, 1, 16, 2>{});
  }
  return each == 2 || gated ? fn(Cut<2, 2, 1, 16, 2>{}) : fn(Cut<2, 1, 1, 16, 4>{});
}

template <typename Fn>
auto DispatchCut(const FusedProduct& product, const Device& device, Fn fn) {
  const int64_t strips = (product.weight.rows + 7) / 8;
  const int64_t each = (strips + device.multiprocessors() - 1) / device.multiprocessors();
  const bool paired = each == 1 && 2 * strips > device.multiprocessors();
  const int64_t depth = product.weight.cols;
  constexpr size_t kStaticBytes = 2048;  // at most
  const bool wide_fits = SharedBytes<WideCut>(product) + kStaticBytes <= device.max_shared_bytes();
  if (product.rows > 16) {
    return DispatchTwoTiles(each, product.gated, paired, depth, wide_fits, fn);
  }
  return DispatchOneTile(each, product.gated, paired, depth, fn);
}

template <typename T>
void LaunchSkinny(const FusedProduct& product, Device& device) {
  DispatchCut(product, device, [&](auto cut) {
    using C = decltype(cut);
    Launch(device, "a product of few rows",
           {dim3(static_cast<unsigned>(SkinnyParts(product, device))), C::kThreads,
            SharedBytes<C>(product)},
           SkinnyKernel<T, C>, ParametersOf<T>(product));
  });
}

}  // namespace

bool SkinnySupports(const FusedProduct& product) {
  const int64_t features = product.gated ? product.weight.rows / 2 : product.weight.rows;
  return product.rows <= kMaxSkinnyRows && product.weight.rows <= kMaxSkinnyFeatures &&
         product.weight.dtype != DataType::kFloat32 && product.weight.dtype == product.in.dtype &&
         product.weight.cols % kChunk == 0 && product.in.stride % 8 == 0 &&
         (!product.gated || features % 16 == 0);
}

int32_t SkinnyParts(const FusedProduct& product, const Device& device) {
  const int64_t strips = (product.weight.rows + 7) / 8;
  return DispatchCut(product, device, [&](auto cut) {
    return static_cast<int32_t>((strips + cut.kStrips - 1) / cut.kStrips);
  });
}

void RunSkinny(const FusedProduct& product, Device& device) {
  if (product.weight.dtype == DataType::kBFloat16) {
    LaunchSkinny<BFloat16>(product, device);
  } else {
    LaunchSkinny<Float16>(product, device);
  }
}

}  // namespace transept::kernels::cuda
