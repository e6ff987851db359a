#include "kernels/cpu/simd/panels.h"

#include <cstddef>

#include "kernels/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/panels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "hwy/highway.h"
#include "kernels/cpu/simd/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

static_assert(kLanes <= kMostLanes);

// A panel is up to kPanelVectors vectors of rows: [k][vectors * kLanes].
inline constexpr size_t kPanelVectors = 3;
inline constexpr size_t kTileColumns = kManyRegisters ? 8 : 4;
static_assert(kPanelColumns % kTileColumns == 0);

#if HWY_TARGET == HWY_SCALAR

// to[j * stride + n] = lane j of v[n], n < 4.
HWY_INLINE void StoreTransposed(const VF32* v, float* to, size_t) {
  for (size_t n = 0; n < 4; ++n) to[n] = hn::GetLane(v[n]);
}

#else

// The 128-bit blocks of v, `stride` apart.
template <class D>
HWY_INLINE void StoreBlocks(D d, hn::Vec<D> v, float* to, size_t stride) {
  if constexpr (hn::MaxLanes(d) == 4) {
    hn::StoreU(v, d, to);
  } else {
    const hn::Half<D> half;
    StoreBlocks(half, hn::LowerHalf(half, v), to, stride);
    StoreBlocks(half, hn::UpperHalf(half, v), to + hn::MaxLanes(half) / 4 * stride, stride);
  }
}

// to[j * stride + n] = lane j of v[n], n < 4.
HWY_INLINE void StoreTransposed(const VF32* v, float* to, size_t stride) {
  const F32 d;
  const VF32 low02 = hn::InterleaveLower(d, v[0], v[2]);
  const VF32 low13 = hn::InterleaveLower(d, v[1], v[3]);
  const VF32 high02 = hn::InterleaveUpper(d, v[0], v[2]);
  const VF32 high13 = hn::InterleaveUpper(d, v[1], v[3]);
  StoreBlocks(d, hn::InterleaveLower(d, low02, low13), to, 4 * stride);
  StoreBlocks(d, hn::InterleaveUpper(d, low02, low13), to + stride, 4 * stride);
  StoreBlocks(d, hn::InterleaveLower(d, high02, high13), to + 2 * stride, 4 * stride);
  StoreBlocks(d, hn::InterleaveUpper(d, high02, high13), to + 3 * stride, 4 * stride);
}

#endif

// Calls f(first row, vectors) for every panel of `rows`.
template <class F>
HWY_INLINE void ForEachPanel(size_t rows, const F& f) {
  for (size_t m = 0; m < rows; m += kPanelVectors * kLanes) {
    f(m, HWY_MIN(kPanelVectors, (rows - m + kLanes - 1) / kLanes));
  }
}

// panel[i * width + m] = element i of row m, as far as there are whole vectors of k; returns how
// far.
HWY_INLINE size_t FillVectors(const float* const (&row)[4], size_t k, size_t width, float* panel) {
  size_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    VF32 v[4];
    for (size_t r = 0; r < 4; ++r) v[r] = Load(row[r] + i);
    StoreTransposed(v, panel + i * width, width);
  }
  return i;
}

void FillPanelsTarget(const PanelSource& source, float* panels) {
  const size_t k = source.k;
  const size_t rows = source.rows;
  ForEachPanel(rows, [&](size_t first, size_t vectors) HWY_ATTR {
    const size_t width = vectors * kLanes;
    float* panel = panels + first * k;
    for (size_t m = 0; m < width; m += 4) {
      const size_t count = HWY_MIN(size_t{4}, width - m);
      const float* row[4];
      for (size_t r = 0; r < 4; ++r) {
        row[r] = source.x + HWY_MIN(first + m + r, rows - 1) * source.x_stride;
      }
      for (size_t i = count == 4 ? FillVectors(row, k, width, panel + m) : 0; i < k; ++i) {
        for (size_t r = 0; r < count; ++r) panel[i * width + m + r] = row[r][i];
      }
    }
  });
}

// out[m][n] for the kVectors * kLanes rows of a panel and kTileColumns rows of w.
template <size_t kVectors>
HWY_INLINE void PanelTile(const float* HWY_RESTRICT panel, const float* const (&w)[kTileColumns],
                          size_t k, Ahead<float> ahead, float* HWY_RESTRICT out,
                          size_t out_stride) {
  VF32 sum[kVectors][kTileColumns];
  for (size_t v = 0; v < kVectors; ++v) {
    for (size_t n = 0; n < kTileColumns; ++n) sum[v][n] = hn::Zero(F32());
  }
  constexpr size_t kLine = 64 / sizeof(float);
  for (size_t i = 0; i < k;) {
    ahead.Touch(i);
    for (const size_t end = HWY_MIN(k, i + kLine); i < end; ++i) {
      VF32 x[kVectors];
      for (size_t v = 0; v < kVectors; ++v) x[v] = Load(panel + (i * kVectors + v) * kLanes);
      for (size_t n = 0; n < kTileColumns; ++n) {
        const VF32 element = hn::Set(F32(), w[n][i]);
        for (size_t v = 0; v < kVectors; ++v) sum[v][n] = hn::MulAdd(x[v], element, sum[v][n]);
      }
    }
  }
  for (size_t v = 0; v < kVectors; ++v) {
    for (size_t n = 0; n < kTileColumns; n += 4) {
      StoreTransposed(sum[v] + n, out + v * kLanes * out_stride + n, out_stride);
    }
  }
}

void MultiplyPanelsTarget(const PanelProducts& p) {
  const size_t k = p.k;
  const size_t columns = p.columns;
  for (size_t n = 0; n < columns; n += kTileColumns) {
    const size_t count = HWY_MIN(kTileColumns, columns - n);
    const float* w[kTileColumns];  // a tile of fewer repeats the last
    for (size_t i = 0; i < kTileColumns; ++i) w[i] = p.w + (n + HWY_MIN(i, count - 1)) * k;
    const float* next = n + count < columns ? p.w + (n + count) * k : p.next_w;
    const Ahead<float> ahead{next, k, next ? kTileColumns : 0};
    ForEachPanel(p.rows, [&](size_t m, size_t vectors) HWY_ATTR {
      const float* panel = p.panels + m * k;
      float* out = p.out + m * p.out_stride + n;
      if (vectors == 3) PanelTile<3>(panel, w, k, ahead, out, p.out_stride);
      if (vectors == 2) PanelTile<2>(panel, w, k, ahead, out, p.out_stride);
      if (vectors == 1) PanelTile<1>(panel, w, k, ahead, out, p.out_stride);
    });
  }
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept::kernels::cpu {

HWY_EXPORT(FillPanelsTarget);
void FillPanels(const PanelSource& source, float* panels) {
  HWY_DYNAMIC_DISPATCH(FillPanelsTarget)(source, panels);
}

HWY_EXPORT(MultiplyPanelsTarget);
void MultiplyPanels(const PanelProducts& products) {
  HWY_DYNAMIC_DISPATCH(MultiplyPanelsTarget)(products);
}

}  // namespace transept::kernels::cpu
#endif
