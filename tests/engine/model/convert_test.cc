#include "engine/model/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace transept {
namespace {

using kernels::DataType;

template <typename To, typename From>
To ConvertOne(From value, DataType from, DataType to) {
  To result;
  Convert(&value, from, &result, to, 1);
  return result;
}

TEST(QuantizeRow, TakesTheLargestMagnitudeTo127) {
  const float row[] = {0.5f, -1.0f, 0.0f, 0.25f, 1.5f / 127};  // the last lies between two numbers
  int8_t numbers[5];
  const Int8Row is = QuantizeRow(row, numbers, 5);
  EXPECT_FLOAT_EQ(is.scale, 1.0f / 127);
  EXPECT_THAT(numbers, ::testing::ElementsAre(64, -127, 0, 32, 2));
  EXPECT_EQ(is.sum, 64 - 127 + 32 + 2);
}

TEST(QuantizeRow, OfZeros) {
  const float row[] = {0.0f, 0.0f};
  int8_t numbers[2] = {1, 1};
  const Int8Row is = QuantizeRow(row, numbers, 2);
  EXPECT_EQ(is.scale, 0.0f);
  EXPECT_EQ(is.sum, 0);
  EXPECT_THAT(numbers, ::testing::ElementsAre(0, 0));
}

// Every float16 value survives the way through float32, and means what IEEE 754 says.
TEST(Convert, Float16IsExactInFloat32) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = ConvertOne<float>(half, DataType::kFloat16, DataType::kFloat32);
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 1023;
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(value));
      continue;
    }
    const double magnitude = exponent == 31  ? std::numeric_limits<double>::infinity()
                             : exponent == 0 ? std::ldexp(mantissa, -24)
                                             : std::ldexp(1024 + mantissa, exponent - 25);
    EXPECT_EQ(value, static_cast<float>(half & 0x8000 ? -magnitude : magnitude)) << bits;
    EXPECT_EQ(ConvertOne<uint16_t>(value, DataType::kFloat32, DataType::kFloat16), half) << bits;
  }
}

TEST(Convert, RoundsToNearestEven) {
  const auto half = [](float v) {
    return ConvertOne<uint16_t>(v, DataType::kFloat32, DataType::kFloat16);
  };
  EXPECT_EQ(half(2049.0f), half(2048.0f));  // tie, to even
  EXPECT_EQ(half(2051.0f), half(2052.0f));  // tie, to even
  EXPECT_EQ(half(2049.1f), half(2050.0f));
  EXPECT_EQ(half(65519.0f), half(65504.0f));
  EXPECT_EQ(half(65520.0f), 0x7C00);     // infinity, as in torch
  EXPECT_EQ(half(0x1p-25f), 0);          // tie with zero
  EXPECT_EQ(half(0x1.8p-25f), 1);        // the smallest subnormal
  EXPECT_EQ(half(0x1.ff8p-15f), 0x3FF);  // the largest subnormal
  EXPECT_EQ(half(0x1.ffcp-15f), 0x400);  // tie with the smallest normal, to even
  const auto brain = [](float v) {
    return ConvertOne<uint16_t>(v, DataType::kFloat32, DataType::kBFloat16);
  };
  EXPECT_EQ(brain(1.0f), 0x3F80);
  EXPECT_EQ(brain(std::bit_cast<float>(0x3F808000u)), 0x3F80);  // tie, to even
  EXPECT_EQ(brain(std::bit_cast<float>(0x3F818000u)), 0x3F82);  // tie, to even
  EXPECT_EQ(brain(std::bit_cast<float>(0x3F808001u)), 0x3F81);
  EXPECT_EQ(brain(-0.0f), 0x8000);
  EXPECT_TRUE(
      std::isnan(ConvertOne<float>(brain(std::nanf("")), DataType::kBFloat16, DataType::kFloat32)));
}

TEST(Convert, ReadsUnalignedSources) {
  const float values[3] = {1.5f, -2.0f, 3.25f};
  std::vector<char> bytes(sizeof(values) + 1);
  std::memcpy(bytes.data() + 1, values, sizeof(values));
  uint16_t out[3];
  Convert(bytes.data() + 1, DataType::kFloat32, out, DataType::kBFloat16, 3);
  EXPECT_EQ(out[0], 0x3FC0);
  EXPECT_EQ(out[1], 0xC000);
  EXPECT_EQ(out[2], 0x4050);
}

TEST(HasNonFinite, FindsInfinityAndNan) {
  std::vector<float> values(100, 1.0f);
  EXPECT_FALSE(HasNonFinite(values.data(), DataType::kFloat32, values.size()));
  values[99] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(HasNonFinite(values.data(), DataType::kFloat32, values.size()));
  values[99] = std::nanf("");
  EXPECT_TRUE(HasNonFinite(values.data(), DataType::kFloat32, values.size()));
  const uint16_t half_infinity = 0x7C00;
  EXPECT_TRUE(HasNonFinite(&half_infinity, DataType::kFloat16, 1));
  const uint16_t largest = 0x7BFF;
  EXPECT_FALSE(HasNonFinite(&largest, DataType::kFloat16, 1));
}

}  // namespace
}  // namespace transept
