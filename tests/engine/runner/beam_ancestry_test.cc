#include "engine/runner/beam_ancestry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace transept {
namespace {

using ::testing::ElementsAre;

class BeamAncestryTest : public ::testing::Test {
 protected:
  BeamAncestryTest() {
    params_.num_beams = 3;
    params_.eos_tokens = {1};
    const int32_t slots[] = {4, 0, 2};
    for (int32_t beam = 0; beam < 3; ++beam) {
      RowPlan& row = rows_.emplace_back();
      row.hypothesis = beam;
      row.slot = slots[beam];
      row.params = &params_;
    }
  }

  // All rows are fed `count` tokens.
  void Feed(size_t count) {
    for (RowPlan& row : rows_) {
      row.first_position = static_cast<int32_t>(fed_);
      row.tokens = absl::MakeConstSpan(tokens_).first(count);
      row.history = absl::MakeConstSpan(tokens_).first(fed_ + count);
      if (fed_ == 0) ancestry_.Start(row);
    }
    fed_ += count;
  }

  // Who wrote the past of `beam`, and will write the next position.
  std::vector<int> Writers(int beam) {
    kernels::DecoderInputs inputs;
    ancestry_.AddTo(&inputs);
    std::vector<int> writers;
    for (size_t i = 0; i <= fed_; ++i) {
      writers.push_back(beam + inputs.ancestry[rows_[beam].slot * inputs.ancestry_stride + i]);
    }
    return writers;
  }

  DecodeParams params_;
  std::vector<RowPlan> rows_;
  const std::vector<TokenId> tokens_ = std::vector<TokenId>(9, 5);
  size_t fed_ = 0;
  BeamAncestry ancestry_{/*slots=*/5, /*positions=*/10};
};

TEST_F(BeamAncestryTest, FollowsTheParents) {
  Feed(2);
  ancestry_.Continue(rows_, {{{0, 5, -1}, {0, 6, -2}, {0, 7, -3}}});
  EXPECT_THAT(Writers(0), ElementsAre(0, 0, 0));
  EXPECT_THAT(Writers(1), ElementsAre(0, 0, 1));
  EXPECT_THAT(Writers(2), ElementsAre(0, 0, 2));
  Feed(1);
  // An EOS is no row.
  ancestry_.Continue(rows_, {{{2, 5, -1}, {1, 1, -2}, {0, 7, -3}, {2, 8, -4}}});
  EXPECT_THAT(Writers(0), ElementsAre(0, 0, 2, 0));
  EXPECT_THAT(Writers(1), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(Writers(2), ElementsAre(0, 0, 2, 2));
  Feed(1);
  ancestry_.Continue(rows_, {{{1, 5, -1}, {0, 7, -3}, {1, 8, -4}}});
  EXPECT_THAT(Writers(0), ElementsAre(0, 0, 0, 1, 0));
  EXPECT_THAT(Writers(1), ElementsAre(0, 0, 2, 0, 1));
  EXPECT_THAT(Writers(2), ElementsAre(0, 0, 0, 1, 2));

  fed_ = 0;
  Feed(4);
  for (const int beam : {0, 1, 2}) {
    EXPECT_EQ(Writers(beam), std::vector<int>(5, beam));
  }
}

TEST_F(BeamAncestryTest, APastThatAllShareIsTheFirstRows) {
  for (RowPlan& row : rows_) row.shared_past = true;
  Feed(3);
  ancestry_.Continue(rows_, {{{0, 5, -1}, {2, 6, -2}, {1, 7, -3}}});
  EXPECT_THAT(Writers(0), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(Writers(1), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(Writers(2), ElementsAre(0, 0, 0, 2));
}

}  // namespace
}  // namespace transept
