#include "kernels/cpu/simd/attend.h"

#include <cmath>

#include "kernels/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/attend.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd/dot-inl.h"
#include "kernels/cpu/simd/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

static_assert(kLanes <= kScorePadding);

// How often a cache line of keys or values is asked for before it is needed.
inline constexpr size_t kFetches = 2;

// scores[q][j] = q · k_j for all queries and keys.
template <class T>
void Score(const Attention& a) {
  const KeyView& view = a.view;
  const T* keys = static_cast<const T*>(view.keys);
  const T* values = static_cast<const T*>(view.values);
  const size_t stride = view.key_stride;
  const size_t head_size = a.head_size;
  const size_t queries = a.num_queries;
  const bool fetch = stride == head_size;  // pages, not an encoder's activations
  float* scores = a.scores;
  for (int64_t r = 0; r < view.num_ranges; ++r) {
    const KeyRange& range = view.ranges[r];
    // What is read after this range: the next one, or the first one's values.
    const T* next =
        r + 1 < view.num_ranges ? keys + view.ranges[r + 1].offset : values + view.ranges[0].offset;
    for (int64_t j = 0; j < range.count; j += kTileColumns) {
      const size_t count = HWY_MIN(range.count - j, int64_t{kTileColumns});
      const Columns<T> columns(keys + range.offset + j * stride, stride, count);
      if (fetch) FetchRun(next + j * stride, kFetches * kTileColumns * stride);
      for (size_t q = 0; q < queries; q += kTileRows) {
        const RowsOfX x{a.queries + q * head_size, head_size};
        DotRows(HWY_MIN(kTileRows, queries - q), x, columns, head_size, Ahead<T>{nullptr, 0, 0},
                false, scores + q * a.scores_stride, a.scores_stride);
      }
      scores += count;
    }
  }
}

// Calls f(j, mask) for the vectors that cover [0, count).
template <class F>
HWY_INLINE void ForEachMasked(size_t count, const F& f) {
  for (size_t j = 0; j < count; j += kLanes) f(j, hn::FirstN(F32(), HWY_MIN(kLanes, count - j)));
}

// Turns scores into e^(score - largest), zero for keys that are not visible, and returns 1 / Σ.
HWY_INLINE float Exponentiate(const Query& query, float* scores, size_t num_keys) {
  const F32 d;
  const float* bias = query.bias;
  const VF32 lowest = hn::Set(d, -HUGE_VALF);
  VF32 largest = lowest;
  ForEachMasked(query.visible, [&](size_t j, auto mask) HWY_ATTR {
    VF32 score = Load(scores + j);
    if (bias) score = hn::Add(score, Load(bias + j));
    score = hn::IfThenElse(mask, score, lowest);
    hn::StoreU(score, d, scores + j);
    largest = hn::Max(largest, score);
  });
  largest = hn::MaxOfLanes(d, largest);
  VF32 sum = hn::Zero(d);
  ForEachMasked(query.visible, [&](size_t j, auto) HWY_ATTR {
    const VF32 weight = hn::Exp(d, hn::Sub(Load(scores + j), largest));
    hn::StoreU(weight, d, scores + j);
    sum = hn::Add(sum, weight);
  });
  for (size_t j = query.visible; j < num_keys; ++j) scores[j] = 0;
  return query.visible > 0 ? 1.0f / SumOf(sum) : 0.0f;
}

// Vectors of one value, and queries, that a tile accumulates in registers.
inline constexpr size_t kValueVectors = 4;
inline constexpr size_t kValueQueries = kManyRegisters ? 4 : 2;

// out_q[first, first + kVectors * kLanes) = Σ_j scores[q][j] v_j for kQueries queries from `q` on.
// `width` < kLanes: only so many elements (kVectors must be 1).
template <size_t kQueries, size_t kVectors, class T>
HWY_INLINE void WeighTile(const Attention& a, size_t q, size_t first, size_t width,
                          const float* factors) {
  const KeyView& view = a.view;
  const T* values = static_cast<const T*>(view.values) + first;
  const float* weights = a.scores + q * a.scores_stride;
  VF32 sum[kQueries][kVectors];
  for (size_t i = 0; i < kQueries; ++i) {
    for (size_t v = 0; v < kVectors; ++v) sum[i][v] = hn::Zero(F32());
  }
  for (int64_t r = 0; r < view.num_ranges; ++r) {
    const KeyRange& range = view.ranges[r];
    const bool fetch = q == 0 && first == 0 && r + 1 < view.num_ranges;
    const T* next = fetch ? values + view.ranges[r + 1].offset : nullptr;
    for (int64_t j = 0; j < range.count; ++j, ++weights) {
      const T* value = values + range.offset + j * view.key_stride;
      if (fetch && j % 4 == 0) {
        FetchRun(next + j * view.key_stride, kFetches * 4 * view.key_stride);
      }
      VF32 element[kVectors];
      for (size_t v = 0; v < kVectors; ++v) {
        element[v] =
            kVectors == 1 && width < kLanes ? LoadFirst(value, width) : Load(value + v * kLanes);
      }
      for (size_t i = 0; i < kQueries; ++i) {
        const VF32 weight = hn::Set(F32(), weights[i * a.scores_stride]);
        for (size_t v = 0; v < kVectors; ++v) {
          sum[i][v] = hn::MulAdd(weight, element[v], sum[i][v]);
        }
      }
    }
  }
  for (size_t i = 0; i < kQueries; ++i) {
    const VF32 factor = hn::Set(F32(), factors[q + i]);
    float* out = a.query[q + i].out + first;
    for (size_t v = 0; v < kVectors; ++v) {
      const VF32 result = hn::Mul(sum[i][v], factor);
      if (kVectors == 1 && width < kLanes) {
        StoreFirst(result, out, width);
      } else {
        hn::StoreU(result, F32(), out + v * kLanes);
      }
    }
  }
}

// WeighTile over the whole head size.
template <size_t kQueries, class T>
HWY_INLINE void WeighQueries(const Attention& a, size_t q, const float* factors) {
  const size_t head_size = a.head_size;
  size_t first = 0;
  for (; first + kValueVectors * kLanes <= head_size; first += kValueVectors * kLanes) {
    WeighTile<kQueries, kValueVectors, T>(a, q, first, kLanes, factors);
  }
  for (; first < head_size; first += kLanes) {
    WeighTile<kQueries, 1, T>(a, q, first, HWY_MIN(kLanes, head_size - first), factors);
  }
}

// out_q = factors[q] Σ_j scores[q][j] v_j for all queries.
template <class T>
void Weigh(const Attention& a, const float* factors) {
  const size_t queries = a.num_queries;
  size_t q = 0;
  for (; q + kValueQueries <= queries; q += kValueQueries) {
    WeighQueries<kValueQueries, T>(a, q, factors);
  }
  for (; q < queries; ++q) WeighQueries<1, T>(a, q, factors);
}

template <class T>
void AttendTyped(const Attention& a) {
  Score<T>(a);
  float factors[kMaxQueries] = {};
  for (int64_t q = 0; q < a.num_queries; ++q) {
    factors[q] = Exponentiate(a.query[q], a.scores + q * a.scores_stride, a.view.num_keys);
  }
  Weigh<T>(a, factors);
}

void AttendTarget(const Attention& a) {
  switch (a.view.dtype) {
    case DataType::kFloat32: return AttendTyped<float>(a);
    case DataType::kBFloat16: return AttendTyped<hwy::bfloat16_t>(a);
    case DataType::kFloat16: return AttendTyped<hwy::float16_t>(a);
    case DataType::kInt8: return;  // weights alone are int8
  }
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept::kernels::cpu {

HWY_EXPORT(AttendTarget);
void Attend(const Attention& attention) {
  HWY_DYNAMIC_DISPATCH(AttendTarget)(attention);
}

}  // namespace transept::kernels::cpu
#endif
