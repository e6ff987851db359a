#include "kernels/cpu/simd/products.h"

#include "kernels/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/products.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "hwy/highway.h"
#include "kernels/cpu/simd/dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

static_assert(kTileColumns == kProductColumns);

// Elements of k summed before going on to the next rows of x: what a tile reads of w then stays in
// the first-level cache.
inline constexpr size_t kLongestRun = 1024;

// All rows of x with the rows of w in one tile.
template <class W>
void MultiplyPanel(const Products& p, const W* w, size_t count, const W* next, float* out) {
  const size_t k = p.k;
  const size_t rows = p.rows;
  const size_t runs = (k + kLongestRun - 1) / kLongestRun;
  const size_t run = ((k + runs - 1) / runs + 63) / 64 * 64;
  const size_t tiles = (rows + kTileRows - 1) / kTileRows;
  // Rows of w that every tile fetches. Each line is asked for about three times: processors drop
  // such requests when too many are under way.
  const size_t fetched = next == nullptr ? 0 : kTileColumns * HWY_MAX(size_t{1}, 3 / tiles);
  for (size_t i = 0; i < k; i += run) {
    const Columns<W> columns(w + i, k, count);
    const Ahead<W> ahead{next == nullptr ? nullptr : next + i, k, fetched};
    size_t m = 0;
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t height = rows / tiles + (tile < rows % tiles);
      const RowsOfX x{p.x + m * p.x_stride + i, static_cast<size_t>(p.x_stride)};
      DotRows(height, x, columns, HWY_MIN(run, k - i), ahead, i > 0, out + m * p.out_stride,
              p.out_stride);
      m += height;
    }
  }
}

template <class W>
void MultiplyTyped(const Products& p) {
  const W* w = static_cast<const W*>(p.w);
  const int64_t step = kTileColumns;
  for (int64_t n = 0; n < p.columns; n += step) {
    const W* next = n + step < p.columns ? w + (n + step) * p.k : static_cast<const W*>(p.next_w);
    MultiplyPanel(p, w + n * p.k, HWY_MIN(step, p.columns - n), next, p.out + n);
  }
}

void MultiplyTarget(const Products& p) {
  switch (p.w_dtype) {
    case DataType::kFloat32: return MultiplyTyped<float>(p);
    case DataType::kBFloat16: return MultiplyTyped<hwy::bfloat16_t>(p);
    case DataType::kFloat16: return MultiplyTyped<hwy::float16_t>(p);
    case DataType::kInt8: return;  // int8.h has its products
  }
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept::kernels::cpu {

HWY_EXPORT(MultiplyTarget);
void Multiply(const Products& products) {
  HWY_DYNAMIC_DISPATCH(MultiplyTarget)(products);
}

}  // namespace transept::kernels::cpu
#endif
