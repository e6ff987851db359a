#include "kernels/float16.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace transept::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Float16, EveryValueSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    if (std::isnan(FromFloat16(half))) {
      EXPECT_TRUE(std::isnan(FromFloat16(ToFloat16(FromFloat16(half)))));
    } else {
      ASSERT_EQ(ToFloat16(FromFloat16(half)), half);
    }
    if (std::isnan(FromBFloat16(half))) {
      EXPECT_TRUE(std::isnan(FromBFloat16(ToBFloat16(FromBFloat16(half)))));
    } else {
      ASSERT_EQ(ToBFloat16(FromBFloat16(half)), half);
    }
  }
}

TEST(Float16, KnownValues) {
  EXPECT_EQ(FromFloat16(0x3c00), 1.0f);
  EXPECT_EQ(FromFloat16(0xc000), -2.0f);
  EXPECT_EQ(FromFloat16(0x7bff), 65504.0f);
  EXPECT_EQ(FromFloat16(0x0001), 0x1p-24f);
  EXPECT_EQ(FromFloat16(0x0400), 0x1p-14f);
  EXPECT_EQ(FromFloat16(0xfc00), -kInfinity);
  EXPECT_EQ(FromBFloat16(0x3f80), 1.0f);
  EXPECT_EQ(FromBFloat16(0xff80), -kInfinity);
}

TEST(Float16, RoundsToNearestTiesToEven) {
  EXPECT_EQ(ToFloat16(1.0f + 0x1p-11f), 0x3c00);             // tie, down to even
  EXPECT_EQ(ToFloat16(1.0f + 0x3p-11f), 0x3c02);             // tie, up to even
  EXPECT_EQ(ToFloat16(1.0f + 0x1p-11f + 0x1p-20f), 0x3c01);  // just above the tie
  EXPECT_EQ(ToFloat16(65519.0f), 0x7bff);
  EXPECT_EQ(ToFloat16(65520.0f), 0x7c00);
  EXPECT_EQ(ToFloat16(-1e10f), 0xfc00);
  EXPECT_EQ(ToFloat16(0x1p-25f), 0x0000);  // tie with zero
  EXPECT_EQ(ToFloat16(0x3p-26f), 0x0001);
  EXPECT_EQ(ToFloat16(-0x3p-25f), 0x8002);  // tie, up to even
  EXPECT_EQ(ToBFloat16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(ToBFloat16(1.0f + 0x3p-8f), 0x3f82);
  EXPECT_EQ(ToBFloat16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(Float16, NearestOfAllNeighbours) {
  for (uint16_t half = 0; half < 0x7bff; ++half) {
    const float low = FromFloat16(half);
    const float high = FromFloat16(half + 1);
    ASSERT_EQ(ToFloat16(low + (high - low) * 0.25f), half);
    ASSERT_EQ(ToFloat16(low + (high - low) * 0.75f), half + 1);
  }
}

}  // namespace
}  // namespace transept::kernels
