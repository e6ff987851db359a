#include "engine/decode/distribution.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/decode/distribution.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// Needs the line above.
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

float Max(const float* scores, size_t count) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto score = hn::LoadU(d, scores + i);
    largest = hn::IfThenElse(hn::Gt(score, largest), score, largest);  // false for NaN
  }
  float result = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; i < count; ++i) result = scores[i] > result ? scores[i] : result;
  return result;
}

double SumExp(const float* scores, size_t count, float max) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto offset = hn::Set(d, max);
  auto sum = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    // Highway's Exp is 0 for -infinity and NaN.
    sum = hn::Add(sum, hn::Exp(d, hn::Sub(hn::LoadU(d, scores + i), offset)));
  }
  double result = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) result += std::isnan(scores[i]) ? 0.0f : std::exp(scores[i] - max);
  return result;
}

// Divides rather than multiply by 1 / temperature, which may overflow.
double Weights(const float* scores, size_t count, float max, float temperature, float* weights) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto offset = hn::Set(d, max);
  const auto divisor = hn::Set(d, temperature);
  auto sum = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto exponent = hn::Div(hn::Sub(hn::LoadU(d, scores + i), offset), divisor);
    const auto weight = hn::Exp(d, exponent);
    hn::StoreU(weight, d, weights + i);
    sum = hn::Add(sum, weight);
  }
  double result = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) {
    weights[i] = std::isnan(scores[i]) ? 0.0f : std::exp((scores[i] - max) / temperature);
    result += weights[i];
  }
  return result;
}

}  // namespace transept::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept {
namespace {

HWY_EXPORT(Max);
HWY_EXPORT(SumExp);
HWY_EXPORT(Weights);

// Small enough that a second pass finds a chunk in the first-level cache and that a float sum over
// it is exact to 1e-5.
constexpr size_t kChunk = 2048;

}  // namespace

float Distribution::LogProb(float score) const {
  if (max == std::numeric_limits<float>::infinity() && score == max) return 0.0f;
  if (std::isinf(max) || std::isnan(score)) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(score - max - std::log(sum));
}

Distribution Summarize(absl::Span<const float> scores) {
  Distribution result{.argmax = 0, .max = -std::numeric_limits<float>::infinity(), .sum = 0.0};
  for (size_t begin = 0; begin < scores.size(); begin += kChunk) {
    const absl::Span<const float> chunk = scores.subspan(begin, kChunk);
    const float chunk_max = HWY_DYNAMIC_DISPATCH(Max)(chunk.data(), chunk.size());
    if (chunk_max > result.max) {
      result.sum *= std::exp(static_cast<double>(result.max) - chunk_max);
      result.max = chunk_max;
      const auto first = std::find(chunk.begin(), chunk.end(), chunk_max);
      result.argmax = static_cast<TokenId>(begin + (first - chunk.begin()));
    }
    if (std::isfinite(result.max))
      result.sum += HWY_DYNAMIC_DISPATCH(SumExp)(chunk.data(), chunk.size(), result.max);
  }
  return result;
}

double ComputeWeights(absl::Span<const float> scores, float max, float temperature,
                      absl::Span<float> weights) {
  double sum = 0.0;
  for (size_t begin = 0; begin < scores.size(); begin += kChunk) {
    const absl::Span<const float> chunk = scores.subspan(begin, kChunk);
    sum += HWY_DYNAMIC_DISPATCH(Weights)(chunk.data(), chunk.size(), max, temperature,
                                         weights.data() + begin);
  }
  return sum;
}

}  // namespace transept
#endif  // HWY_ONCE
