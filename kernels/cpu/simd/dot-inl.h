// The product x · wᵀ of a few rows of each, for the instruction set that is being compiled: the
// inner loop of linear layers and of attention scores.
//
// Both operands are read along their rows, as checkpoints and K/V pages store them: nothing is
// packed or transposed. Every output has one vector accumulator over k, reduced at the end, so that
// its value does not depend on which other outputs are computed with it.

#if defined(TRANSEPT_KERNELS_CPU_SIMD_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSEPT_KERNELS_CPU_SIMD_DOT_INL_H_
#undef TRANSEPT_KERNELS_CPU_SIMD_DOT_INL_H_
#else
#define TRANSEPT_KERNELS_CPU_SIMD_DOT_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/cpu/simd/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

// Rows of w that a tile covers, and the most rows of x: as many accumulators as registers allow.
inline constexpr size_t kTileColumns = 4;
inline constexpr size_t kTileRows = kManyRegisters ? 6 : 3;

// Rows of x: row i begins at data + i * stride.
struct RowsOfX {
  const float* data;
  size_t stride;
};

// The rows of w that one tile reads. A tile with fewer than kTileColumns repeats the last one.
template <class W>
struct Columns {
  Columns(const W* data, size_t stride, size_t count) {
    for (size_t n = 0; n < kTileColumns; ++n) row[n] = data + (n < count ? n : count - 1) * stride;
  }
  const W* row[kTileColumns];
};

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void StoreSums(const VF32 (&sum)[kTileColumns], bool accumulate, float* to) {
  for (size_t n = 0; n < kTileColumns; ++n) to[n] = SumOf(sum[n]) + (accumulate ? to[n] : 0.0f);
}

#else

// Adds the 128-bit blocks of v.
template <class D>
HWY_INLINE hn::Vec<hn::FixedTag<float, 4> > FoldBlocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return FoldBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// to[n] = the sum of the lanes of sum[n], plus what it holds if `accumulate`.
HWY_INLINE void StoreSums(const VF32 (&sum)[kTileColumns], bool accumulate, float* to) {
  const F32 d;
  const auto fold = [d](VF32 a, VF32 b) HWY_ATTR {
    return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  };
  auto result = FoldBlocks(d, fold(fold(sum[0], sum[2]), fold(sum[1], sum[3])));
  const hn::FixedTag<float, 4> four;
  if (accumulate) result = hn::Add(result, hn::LoadU(four, to));
  hn::StoreU(result, four, to);
}

#endif

// Adds the products of one vector of elements of every row and column to their sums; load(from)
// reads it. Loops over sums are unrolled in full, which is what lets the compiler keep them in
// registers.
template <size_t kRows, class W, class LoadElements>
HWY_INLINE void AddProducts(VF32 (&sum)[kRows][kTileColumns], const RowsOfX& x, const Columns<W>& w,
                            size_t i, const LoadElements& load) {
  VF32 column[kTileColumns];
  for (size_t n = 0; n < kTileColumns; ++n) column[n] = load(w.row[n] + i);
#pragma GCC unroll 8
  for (size_t m = 0; m < kRows; ++m) {
    const VF32 row = load(x.data + m * x.stride + i);
    for (size_t n = 0; n < kTileColumns; ++n) sum[m][n] = hn::MulAdd(row, column[n], sum[m][n]);
  }
}

// out[m * out_stride + n] = x row m · w row n over elements [0, k), m < kRows, n < kTileColumns,
// plus what it holds if `accumulate`. Always writes kTileColumns columns.
template <size_t kRows, class W>
HWY_INLINE void DotTile(RowsOfX x, const Columns<W>& w, size_t k, Ahead<W> ahead, bool accumulate,
                        float* HWY_RESTRICT out, size_t out_stride) {
  VF32 sum[kRows][kTileColumns];
#pragma GCC unroll 8
  for (size_t m = 0; m < kRows; ++m) {
    for (size_t n = 0; n < kTileColumns; ++n) sum[m][n] = hn::Zero(F32());
  }
  size_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    ahead.Touch(i);
    AddProducts(sum, x, w, i, [](const auto* from) HWY_ATTR { return Load(from); });
  }
  if (i < k) {
    AddProducts(sum, x, w, i,
                [n = k - i](const auto* from) HWY_ATTR { return LoadFirst(from, n); });
  }
#pragma GCC unroll 8
  for (size_t m = 0; m < kRows; ++m) StoreSums(sum[m], accumulate, out + m * out_stride);
}

// DotTile for a run-time number of rows, 1 to kTileRows.
template <class W, size_t kRows = kTileRows>
HWY_INLINE void DotRows(size_t rows, RowsOfX x, const Columns<W>& w, size_t k, Ahead<W> ahead,
                        bool accumulate, float* out, size_t out_stride) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return DotRows<W, kRows - 1>(rows, x, w, k, ahead, accumulate, out, out_stride);
    }
  }
  DotTile<kRows>(x, w, k, ahead, accumulate, out, out_stride);
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
