#include "kernels/cpu/simd/int8.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#define TRANSEPT_SIMD_VNNI
#include "kernels/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/int8.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "hwy/highway.h"
#include "kernels/cpu/simd/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

using I32 = hn::RebindToSigned<F32>;
using VI32 = hn::Vec<I32>;

// Rows of w and of x that a tile covers, as in dot-inl.h.
inline constexpr size_t kInt8Columns = 4;
inline constexpr size_t kInt8Rows = kManyRegisters ? 6 : 3;

#if HWY_TARGET == HWY_AVX3_DL

// The instruction multiplies unsigned numbers by signed ones: x is raised by kRaised, which adds
// kRaised times the sum of w's numbers to the result.
inline constexpr int32_t kRaised = 128;
inline constexpr size_t kStep = 64;
using Bytes = __m512i;

HWY_INLINE Bytes LoadX(const int8_t* from) {
  return _mm512_xor_si512(_mm512_loadu_si512(from), _mm512_set1_epi8(static_cast<char>(0x80)));
}
HWY_INLINE Bytes LoadW(const int8_t* from) {
  return _mm512_loadu_si512(from);
}
// Adds the products of kStep numbers. Every processor with this target's sets has the instruction,
// but Highway 1.0 does not let the compiler know, which would then refuse the intrinsic.
HWY_INLINE void MultiplyAdd(Bytes x, Bytes w, VI32& sum) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(x), "v"(w));
}

#else

inline constexpr int32_t kRaised = 0;
#if HWY_TARGET == HWY_SCALAR
using I16 = hn::Rebind<int16_t, I32>;
#else
using I16 = hn::Repartition<int16_t, I32>;
#endif
inline constexpr size_t kStep = hn::MaxLanes(I16());
using Bytes = hn::Vec<I16>;

HWY_INLINE Bytes LoadX(const int8_t* from) {
  return hn::PromoteTo(I16(), hn::LoadU(hn::Rebind<int8_t, I16>(), from));
}
HWY_INLINE Bytes LoadW(const int8_t* from) {
  return LoadX(from);
}
HWY_INLINE void MultiplyAdd(Bytes x, Bytes w, VI32& sum) {
#if HWY_TARGET == HWY_SCALAR
  sum = hn::Add(sum, hn::Set(I32(), int32_t{hn::GetLane(x)} * hn::GetLane(w)));
#else
  VI32 rest = hn::Zero(I32());
  sum = hn::ReorderWidenMulAccumulate(I32(), x, w, sum, rest);
  sum = hn::Add(sum, rest);
#endif
}

#endif

static_assert(kInt8Padding % kStep == 0);

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void StoreSums(const VI32 (&sum)[kInt8Columns], int32_t* to) {
  for (size_t n = 0; n < kInt8Columns; ++n) to[n] = hn::GetLane(sum[n]);
}

#else

// Adds the 128-bit blocks of v.
template <class D>
HWY_INLINE hn::Vec<hn::FixedTag<int32_t, 4> > FoldBlocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return FoldBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// to[n] = the sum of the lanes of sum[n].
HWY_INLINE void StoreSums(const VI32 (&sum)[kInt8Columns], int32_t* to) {
  const I32 d;
  const auto fold = [d](VI32 a, VI32 b) HWY_ATTR {
    return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  };
  const auto total = FoldBlocks(d, fold(fold(sum[0], sum[2]), fold(sum[1], sum[3])));
  hn::StoreU(total, hn::FixedTag<int32_t, 4>(), to);
}

#endif

// A tile's rows of w; one with fewer than kInt8Columns repeats the last.
struct Int8Tile {
  const int8_t* w[kInt8Columns];
  float scales[kInt8Columns];
  int32_t raised[kInt8Columns];  // what raising x adds
};

Int8Tile TileOf(const Int8Products& p, size_t first) {
  Int8Tile tile;
  for (size_t i = 0; i < kInt8Columns; ++i) {
    const size_t n = HWY_MIN(first + i, static_cast<size_t>(p.columns) - 1);
    tile.w[i] = p.w + n * p.k;
    tile.scales[i] = p.w_scales[n];
    tile.raised[i] = kRaised * p.w_sums[n];
  }
  return tile;
}

// Adds the products of kStep numbers of every row of x and w to their sums. Loops over sums are
// unrolled in full, which is what lets the compiler keep them in registers.
template <size_t kRows>
HWY_INLINE void AddProducts(VI32 (&sum)[kRows][kInt8Columns], const int8_t* x, size_t x_stride,
                            const int8_t* const (&w)[kInt8Columns], size_t at) {
  Bytes column[kInt8Columns];
  for (size_t n = 0; n < kInt8Columns; ++n) column[n] = LoadW(w[n] + at);
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
    const Bytes row = LoadX(x + r * x_stride);
    for (size_t n = 0; n < kInt8Columns; ++n) MultiplyAdd(row, column[n], sum[r][n]);
  }
}

// The products of rows [m, m + kRows) of x with a tile.
template <size_t kRows>
HWY_INLINE void MultiplyTile(const Int8Products& p, const Int8Tile& tile, size_t m,
                             Ahead<int8_t> ahead, float* HWY_RESTRICT out) {
  const size_t k = p.k;
  const size_t stride = p.x_stride;
  const int8_t* const x = p.x + m * stride;
  VI32 sum[kRows][kInt8Columns];
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t n = 0; n < kInt8Columns; ++n) sum[r][n] = hn::Zero(I32());
  }
  size_t i = 0;
  for (; i + kStep <= k; i += kStep) {
    if (i % 64 == 0) ahead.Touch(i);
    AddProducts(sum, x + i, stride, tile.w, i);
  }
  if (i < k) {
    int8_t rest[kInt8Columns][kStep] = {};
    const int8_t* from[kInt8Columns];
    for (size_t n = 0; n < kInt8Columns; ++n) {
      memcpy(rest[n], tile.w[n] + i, k - i);
      from[n] = rest[n];
    }
    AddProducts(sum, x + i, stride, from, 0);
  }
  int32_t total[kRows][kInt8Columns];
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) StoreSums(sum[r], total[r]);
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t n = 0; n < kInt8Columns; ++n) {
      out[r * p.out_stride + n] =
          static_cast<float>(total[r][n] - tile.raised[n]) * (p.x_scales[m + r] * tile.scales[n]);
    }
  }
}

template <size_t kRows = kInt8Rows>
HWY_INLINE void MultiplyRows(size_t rows, const Int8Products& p, const Int8Tile& tile, size_t m,
                             Ahead<int8_t> ahead, float* out) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return MultiplyRows<kRows - 1>(rows, p, tile, m, ahead, out);
  }
  MultiplyTile<kRows>(p, tile, m, ahead, out);
}

void MultiplyInt8Target(const Int8Products& p) {
  const size_t rows = p.rows;
  const size_t tiles = (rows + kInt8Rows - 1) / kInt8Rows;
  for (size_t n = 0; n < static_cast<size_t>(p.columns); n += kInt8Columns) {
    const Int8Tile tile = TileOf(p, n);
    const bool last = n + kInt8Columns >= static_cast<size_t>(p.columns);
    const int8_t* next = last ? p.next_w : p.w + (n + kInt8Columns) * p.k;
    // Every tile asks for some: processors drop requests when too many are under way.
    const size_t fetched = next == nullptr ? 0 : kInt8Columns * HWY_MAX(size_t{1}, 3 / tiles);
    const Ahead<int8_t> ahead{next, static_cast<size_t>(p.k), fetched};
    size_t m = 0;
    for (size_t i = 0; i < tiles; ++i) {
      const size_t height = rows / tiles + (i < rows % tiles);
      MultiplyRows(height, p, tile, m, ahead, p.out + m * p.out_stride + n);
      m += height;
    }
  }
}

float QuantizeTarget(const float* x, int64_t k, int8_t* out) {
  const size_t count = k;
  VF32 most = hn::Zero(F32());
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) most = hn::Max(most, hn::Abs(Load(x + i)));
  if (i < count) most = hn::Max(most, hn::Abs(LoadFirst(x + i, count - i)));
  const float largest = hn::GetLane(hn::MaxOfLanes(F32(), most));
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  const VF32 factor = hn::Set(F32(), inverse);
  const hn::Rebind<int8_t, I32> narrow;
  const auto round = [&](VF32 value) HWY_ATTR {
    return hn::DemoteTo(narrow, hn::NearestInt(hn::Mul(value, factor)));
  };
  for (i = 0; i + kLanes <= count; i += kLanes) hn::StoreU(round(Load(x + i)), narrow, out + i);
  const size_t padded = (count + kInt8Padding - 1) / kInt8Padding * kInt8Padding;
  memset(out + i, 0, padded - i);
  if (i < count) {
    int8_t rest[kLanes];
    hn::StoreU(round(LoadFirst(x + i, count - i)), narrow, rest);
    memcpy(out + i, rest, count - i);
  }
  return largest / 127.0f;
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept::kernels::cpu {

HWY_EXPORT(MultiplyInt8Target);
void Multiply(const Int8Products& products) {
  HWY_DYNAMIC_DISPATCH(MultiplyInt8Target)(products);
}

HWY_EXPORT(QuantizeTarget);
float Quantize(const float* x, int64_t k, int8_t* out) {
  return HWY_DYNAMIC_DISPATCH(QuantizeTarget)(x, k, out);
}

}  // namespace transept::kernels::cpu
#endif
