#include "engine/model/sinusoid.h"

#include <cmath>

#include "engine/types/require.h"

namespace transept {
namespace {

constexpr double kPeriod = 10000.0;

void FillMarian(int64_t row, absl::Span<float> out) {
  const size_t sines = (out.size() + 1) / 2;
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t k = i < sines ? i : i - sines;
    const double angle =
        static_cast<double>(row) / std::pow(kPeriod, 2.0 * k / static_cast<double>(out.size()));
    out[i] = static_cast<float>(i < sines ? std::sin(angle) : std::cos(angle));
  }
}

// In single precision, as the models were trained with: at position 1000 these angles differ from
// the exact ones in the fourth decimal.
void FillFairseq(int64_t row, absl::Span<float> out) {
  const size_t half = out.size() / 2;
  const float step = static_cast<float>(-std::log(kPeriod) / static_cast<double>(half - 1));
  for (size_t k = 0; k < half; ++k) {
    const float angle = static_cast<float>(row) * std::exp(static_cast<float>(k) * step);
    out[k] = std::sin(angle);
    out[half + k] = std::cos(angle);
  }
  if (out.size() % 2 == 1) out.back() = 0.0f;
}

}  // namespace

void FillSinusoid(PositionKind kind, int64_t row, absl::Span<float> out) {
  switch (kind) {
    case PositionKind::kSinusoidMarian: return FillMarian(row, out);
    case PositionKind::kSinusoidFairseq: return FillFairseq(row, out);
    case PositionKind::kNone:
    case PositionKind::kLearned: break;
  }
  Require(false, "FillSinusoid: not a sinusoid");
}

}  // namespace transept
