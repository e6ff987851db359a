#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <set>

namespace transept::kernels {
namespace {

// The known answers that the paper's authors publish with their implementation.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, SeedHypothesisAndPositionGiveDifferentDraws) {
  std::set<double> draws;
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, ~uint64_t{0}}) {
    for (uint32_t hypothesis = 0; hypothesis < 10; ++hypothesis) {
      for (uint32_t position = 0; position < 50; ++position) {
        const double draw = SamplingUniform(seed, hypothesis, position);
        EXPECT_GE(draw, 0.0);
        EXPECT_LT(draw, 1.0);
        draws.insert(draw);
      }
    }
  }
  EXPECT_EQ(draws.size(), 4u * 10 * 50);
}

}  // namespace
}  // namespace transept::kernels
