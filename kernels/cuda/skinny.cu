#include "kernels/cuda/skinny.h"

#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_results.cuh"
#include "kernels/cuda/tensor_core.cuh"

// A block computes some strips of 8 output features for up to 32 rows. Its warps split the depth,
// and perhaps the strips. Everybody reads the weight in 16-byte pieces straight into the fragments
// of tensor cores: the order of the depth within a product is free as long as both operands agree
// on it, so lane (g, t) takes the 8 elements from 8 t on of row g in every 32 columns and calls
// them those that its fragments of two successive products want. The weight's first pieces are on
// their way before the kernel in front has ended.
namespace transept::kernels::cuda {
namespace {

constexpr int kChunk = 32;  // columns of two products

// Reads 16 bytes of global memory where this stands: the compiler may hold back a read that it
// takes for one of constants until WaitForPredecessor has returned. `kCached`: several of the
// block's warps read the same; else past the first-level cache.
template <bool kCached>
__device__ inline uint4 LoadPiece(const void* from) {
  uint4 r;
  if constexpr (kCached) {
    asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
                 : "l"(from));
  } else {
    asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
                 : "l"(from));
  }
  return r;
}

// The chunks of the depth that a warp works on, and which of a block's strips it has.
template <typename C>
struct WarpShare {
  static constexpr int kStep = C::kDepthWarps * C::kChunks;  // chunks to the next that it loads

  int first_chunk;
  int end_chunk;  // what lies there counts as zeros
  int first_strip;

  __device__ explicit WarpShare(int chunks) {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    first_chunk = warp % C::kDepthWarps;
    end_chunk = chunks;
    first_strip = warp / C::kDepthWarps * C::kWarpStrips;
  }
};

// The chunks that a warp works on at once, every kDepthWarps-th; zeros beyond the share's end. No
// branch stands between the loads, so that all are under way together.
template <typename T, typename C>
struct WeightChunks {
  const T* strips[C::kWarpStrips];  // where the next chunks begin for this lane
  uint4 piece[C::kChunks][C::kWarpStrips];

  __device__ WeightChunks(const ProductParameters<T>& p, const WarpShare<C>& share) {
    const int lane = threadIdx.x % 32;
    const int column = share.first_chunk * kChunk + lane % 4 * 8;
#pragma unroll
    for (int s = 0; s < C::kWarpStrips; ++s) {
      const int64_t feature = FirstFeature<C>(share.first_strip + s, p.up_offset) + lane / 4;
      strips[s] = p.weight + min(feature, p.out_features - 1) * p.depth + column;
    }
  }

  __device__ void Load(int first, int end) {
#pragma unroll
    for (int i = 0; i < C::kChunks; ++i) {
      const bool some = first + i * C::kDepthWarps < end;
#pragma unroll
      for (int s = 0; s < C::kWarpStrips; ++s) {
        const T* const from = strips[s] + i * C::kDepthWarps * kChunk;
        piece[i][s] = some ? LoadPiece<false>(from) : uint4{};
      }
    }
#pragma unroll
    for (int s = 0; s < C::kWarpStrips; ++s) strips[s] += WarpShare<C>::kStep * kChunk;
  }
};

// The same of the input. Where there are no rows the last one stands in.
template <typename T, typename C>
struct InputChunks {
  static constexpr int kHalves = 2 * C::kTiles;  // of tiles

  const T* rows[kHalves];  // where the next chunks begin for this lane: rows g and g + 8 of a tile
  int halves;              // that there are
  uint4 piece[C::kChunks][kHalves];

  __device__ InputChunks(const ProductParameters<T>& p, const WarpShare<C>& share) {
    const int lane = threadIdx.x % 32;
    const int column = share.first_chunk * kChunk + lane % 4 * 8;
    const int first_row = FirstRow<C>();
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const int row = min(first_row + 8 * half + lane / 4, p.rows - 1);
      rows[half] = p.in + row * p.in_stride + column;
      WorkOutHere(rows[half]);
    }
    halves = (p.rows - first_row + 7) / 8;
    WorkOutHere(halves);
  }

  __device__ void Load(int first, int end) {
#pragma unroll
    for (int i = 0; i < C::kChunks; ++i) {
      const bool some = first + i * C::kDepthWarps < end;
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
        const T* const from = rows[half] + i * C::kDepthWarps * kChunk;
        piece[i][half] = some && half < halves ? LoadPiece<true>(from) : uint4{};
      }
    }
#pragma unroll
    for (int half = 0; half < kHalves; ++half) rows[half] += WarpShare<C>::kStep * kChunk;
  }
};

template <typename T, typename C>
using Fragments = float[C::kWarpStrips][C::kTiles][4];

template <typename T, typename C>
__device__ void MultiplyChunks(const InputChunks<T, C>& in,
                               const uint4 (&weights)[C::kChunks][C::kWarpStrips],
                               Fragments<T, C>& c) {
#pragma unroll
  for (int i = 0; i < C::kChunks; ++i) {
#pragma unroll
    for (int tile = 0; tile < C::kTiles; ++tile) {
      const uint4& low = in.piece[i][2 * tile];
      const uint4& high = in.piece[i][2 * tile + 1];
      const uint32_t a0[4] = {low.x, high.x, low.y, high.y};
      const uint32_t a1[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
      for (int s = 0; s < C::kWarpStrips; ++s) {
        const uint4& b = weights[i][s];
        Multiply<T>(c[s][tile], a0, b.x, b.y);
        Multiply<T>(c[s][tile], a1, b.z, b.w);
      }
    }
  }
}

// Multiplies a warp's share, whose first chunks `weights` holds. Calls `meanwhile` once, while the
// first of the input is on its way. There is one place for each of the loads: code comes from
// memory too.
template <typename T, typename C, typename Fn>
__device__ void MultiplyShare(const WarpShare<C>& share, InputChunks<T, C>& in,
                              WeightChunks<T, C>& weights, Fragments<T, C>& c, Fn meanwhile) {
  int first = share.first_chunk;
  do {
    in.Load(first, share.end_chunk);
    if (first == share.first_chunk) meanwhile();
    first += WarpShare<C>::kStep;
    if constexpr (C::kPrefetches) {
      uint4 current[C::kChunks][C::kWarpStrips];
#pragma unroll
      for (int i = 0; i < C::kChunks; ++i) {
#pragma unroll
        for (int s = 0; s < C::kWarpStrips; ++s) current[i][s] = weights.piece[i][s];
      }
      weights.Load(first, share.end_chunk);
      MultiplyChunks<T, C>(in, current, c);
    } else {  // one load covers most depths
      MultiplyChunks<T, C>(in, weights.piece, c);
      if (first < share.end_chunk) weights.Load(first, share.end_chunk);
    }
  } while (first < share.end_chunk);
}

// Leaves a warp's sums in `sums`, [row][kStride].
template <typename T, typename C>
__device__ void LeaveFragments(const WarpShare<C>& share, const Fragments<T, C>& c, float* sums) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int tile = 0; tile < C::kTiles; ++tile) {
#pragma unroll
    for (int s = 0; s < C::kWarpStrips; ++s) {
      const int row = 16 * tile + lane / 4;
      float* const to = sums + row * C::kStride + (share.first_strip + s) * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(to) = make_float2(c[s][tile][0], c[s][tile][1]);
      *reinterpret_cast<float2*>(to + 8 * C::kStride) = make_float2(c[s][tile][2], c[s][tile][3]);
    }
  }
}

// Grid: (parts of the features, parts of the rows).
template <typename T, typename C>
__global__ void __launch_bounds__(C::kThreads, 1) SkinnyKernel(const ProductParameters<T> p) {
  extern __shared__ __align__(16) char shared[];
  auto* const sums = reinterpret_cast<float*>(shared);
  __shared__ RowScale scales[C::kRows];
  __shared__ FeatureConstants constants[C::kFeatures];
  const WarpShare<C> share(static_cast<int>(p.depth / kChunk));
  WeightChunks<T, C> weights(p, share);
  weights.Load(share.first_chunk, share.end_chunk);
  LetSuccessorStart();  // the weight's loads go first
  LoadConstants<C>(p, constants);
  InputChunks<T, C> in(p, share);
  NormScales<C> norm(p, reinterpret_cast<RowSums*>(shared + C::kSharedBytes));
  Residuals<C> residuals(p);
  WaitForPredecessor();
  norm.Load();
  residuals.Load();

  Fragments<T, C> c = {};
  MultiplyShare<T, C>(share, in, weights, c, [&] { norm.Finish(scales); });
  const int depth_warp = static_cast<int>(threadIdx.x) / 32 % C::kDepthWarps;
  LeaveFragments<T, C>(share, c, sums + depth_warp * C::kSumsOfWarp);
  WaitForCopies<0>();  // of the constants
  __syncthreads();
  if (C::kStrips > 1 && p.up_offset) {
    Finish<C, (C::kStrips > 1)>(p, sums, scales, constants, residuals);
    return;
  }
  Finish<C, false>(p, sums, scales, constants, residuals);
  if (p.after.weight) {
    __syncthreads();
    StoreSums<C>(p, sums);
  }
}

// Dynamic shared memory of a block: its warps' sums, and the parts of a norm.
template <typename C>
size_t SharedBytes(const FusedProduct& product) {
  const int32_t parts = std::max(product.norm_before.parts, product.norm_residual.parts);
  return C::kSharedBytes + NormScales<C>::Bytes(parts);
}

// What the choice of a cut depends on.
struct Problem {
  const FusedProduct& product;
  int64_t each;  // strips for every multiprocessor, once for all rows that a block takes
  int64_t depth;
  bool gated;
  // There is one strip for most multiprocessors, so that half of them do with two each, and on the
  // others the next kernel's blocks begin to load.
  bool paired;
  size_t max_shared_bytes;  // of a block: 99 KB on some GPUs

  template <Cut kCut>
  bool Fits() const {
    constexpr size_t kStaticBytes = 2048;  // at most
    return SharedBytes<CutShape<kCut>>(product) + kStaticBytes <= max_shared_bytes;
  }
};

template <Cut kCut, typename Fn>
auto With(Fn fn) {
  return fn(CutShape<kCut>{});
}

// Calls fn with the CutShape for a product of up to 16 rows. One block for each multiprocessor
// takes all its strips, with 16 warps, so that everybody is at work from beginning to end; and a
// warp loads as much at once as makes the depth a whole number of loads, up to what registers hold.
// All cuts were measured on an H200, by tests/bench/gpu_products_bench.cc and in whole decoder
// steps.
template <typename Fn>
auto DispatchOneTile(const Problem& p, Fn fn) {
  const bool shallow = p.depth <= 1024;
  if (p.each > 6) return With<Cut{1, 10, 2, 8, 1}>(fn);
  if (p.each > 4) return shallow ? With<Cut{1, 6, 2, 8, 4}>(fn) : With<Cut{1, 6, 1, 16, 1}>(fn);
  if (p.each == 4 || (p.each == 3 && p.gated)) return With<Cut{1, 4, 2, 8, 4}>(fn);
  if (p.each == 3) return With<Cut{1, 3, 1, 16, 2}>(fn);
  const bool two = p.each == 2 || p.gated;
  if (shallow)
    return two || p.paired ? With<Cut{1, 2, 1, 16, 2}>(fn) : With<Cut{1, 1, 1, 16, 2}>(fn);
  if (two) return With<Cut{1, 2, 1, 16, 4}>(fn);
  if (p.depth <= 2048) return With<Cut{1, 1, 1, 16, 4}>(fn);
  return p.depth <= 3072 ? With<Cut{1, 1, 1, 16, 6}>(fn) : With<Cut{1, 1, 1, 16, 8}>(fn);
}

// More rows, 32 to a block: reading the input again and again is what costs, so that the blocks of
// the same rows have no more strips to read it for than they must.
template <typename Fn>
auto DispatchTwoTiles(const Problem& p, Fn fn) {
  if (p.each > 6) return With<Cut{2, 8, 4, 4, 2}>(fn);
  if (constexpr Cut kSix{2, 6, 2, 8, 2}; p.each > 4 && p.Fits<kSix>()) return With<kSix>(fn);
  if (p.each >= 4 || (p.each == 3 && p.gated)) return With<Cut{2, 4, 2, 8, 2}>(fn);
  if (p.each == 3) return With<Cut{2, 3, 1, 16, 2}>(fn);
  if (p.each == 2 || p.gated || p.paired) return With<Cut{2, 2, 1, 16, 2}>(fn);
  return p.depth > 1024 ? With<Cut{2, 1, 1, 16, 4}>(fn) : With<Cut{2, 1, 1, 16, 2}>(fn);
}

int64_t StripsOf(const FusedProduct& product) {
  return (product.weight.rows + 7) / 8;
}

constexpr int64_t kMostBlockRows = 32;

template <typename Fn>
auto DispatchCut(const FusedProduct& product, const Device& device, Fn fn) {
  const int64_t processors = device.multiprocessors();
  const int64_t row_blocks = (product.rows + kMostBlockRows - 1) / kMostBlockRows;
  const int64_t strips = StripsOf(product) * row_blocks;
  const int64_t each = (strips + processors - 1) / processors;
  const Problem problem{.product = product,
                        .each = each,
                        .depth = product.weight.cols,
                        .gated = product.gated,
                        .paired = each == 1 && 2 * strips > processors,
                        .max_shared_bytes = device.max_shared_bytes()};
  return product.rows <= 16 ? DispatchOneTile(problem, fn) : DispatchTwoTiles(problem, fn);
}

template <typename T>
void LaunchSkinny(const FusedProduct& product, Device& device) {
  DispatchCut(product, device, [&](auto cut) {
    using C = decltype(cut);
    const dim3 grid(static_cast<unsigned>(SkinnyParts(product, device)),
                    static_cast<unsigned>((product.rows + C::kRows - 1) / C::kRows));
    Launch(device, "a product of few rows", {grid, C::kThreads, SharedBytes<C>(product)},
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

int64_t FewRowsOf(const FusedProduct& product, int multiprocessors) {
  constexpr int64_t kMostStrips = 8, kMostColumns = 8192, kAlways = 16;
  const int64_t each = std::min(kMostStrips, kMostColumns / product.weight.cols);
  const int64_t row_blocks = each * multiprocessors / StripsOf(product);
  return std::clamp(row_blocks * kMostBlockRows, kAlways, kMaxSkinnyRows);
}

int32_t SkinnyParts(const FusedProduct& product, const Device& device) {
  return DispatchCut(product, device, [&](auto cut) {
    return static_cast<int32_t>((StripsOf(product) + cut.kStrips - 1) / cut.kStrips);
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
