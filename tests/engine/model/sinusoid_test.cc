#include "engine/model/sinusoid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace transept {
namespace {

std::vector<float> Row(PositionKind kind, int64_t row, size_t width) {
  std::vector<float> values(width, 7.0f);
  FillSinusoid(kind, row, absl::MakeSpan(values));
  return values;
}

TEST(SinusoidTest, MariansHalvesShareFrequencies) {
  const std::vector<float> even = Row(PositionKind::kSinusoidMarian, 3, 4);
  EXPECT_FLOAT_EQ(even[0], std::sin(3.0f));
  EXPECT_FLOAT_EQ(even[1], std::sin(3.0f / 100.0f));
  EXPECT_FLOAT_EQ(even[2], std::cos(3.0f));
  EXPECT_FLOAT_EQ(even[3], std::cos(3.0f / 100.0f));
  const std::vector<float> odd = Row(PositionKind::kSinusoidMarian, 3, 5);
  EXPECT_FLOAT_EQ(odd[2], std::sin(3.0 * std::pow(10000.0, -0.8)));
  EXPECT_FLOAT_EQ(odd[3], std::cos(3.0f));
  EXPECT_FLOAT_EQ(odd[4], std::cos(3.0 * std::pow(10000.0, -0.4)));
}

TEST(SinusoidTest, FairseqsLastFrequencyIsTheSmallest) {
  const std::vector<float> odd = Row(PositionKind::kSinusoidFairseq, 5, 7);
  EXPECT_FLOAT_EQ(odd[0], std::sin(5.0f));
  EXPECT_FLOAT_EQ(odd[1], std::sin(5.0f / 100.0f));
  EXPECT_FLOAT_EQ(odd[2], std::sin(5.0f / 10000.0f));
  EXPECT_FLOAT_EQ(odd[3], std::cos(5.0f));
  EXPECT_FLOAT_EQ(odd[5], std::cos(5.0f / 10000.0f));
  EXPECT_EQ(odd[6], 0.0f);
}

}  // namespace
}  // namespace transept
