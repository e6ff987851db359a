#include "engine/runner/token_results.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr TokenId kEos = 1;

std::vector<std::pair<int, int>> Pairs(const StateRows& rows) {
  std::vector<std::pair<int, int>> pairs;
  for (const kernels::TokenRange& range : rows.ranges) pairs.emplace_back(range.begin, range.end);
  return pairs;
}

TEST(TokenResultsTest, StatesOfPackedSources) {
  const std::vector<TokenId> source = {5, kEos, 6};
  const std::vector<BlockId> blocks = {0};
  StepPlan plan;
  plan.encode = {{source, blocks}, {source, {}, Pooling::kMean},  {source, {}, Pooling::kAll},
                 {source, blocks}, {source, {}, Pooling::kFirst}, {source, {}, Pooling::kLast}};
  const StateRows rows = StateRowsOf(plan, {kEos});
  EXPECT_THAT(Pairs(rows), ElementsAre(std::pair{3, 6}, std::pair{6, 7}, std::pair{7, 8},
                                       std::pair{8, 9}, std::pair{12, 13}, std::pair{16, 17}));
  EXPECT_THAT(rows.counts, ElementsAre(1, 3, 1, 1));
}

TEST(TokenResultsTest, TheLastStateIsThatOfTheLastEosIfThereIsOne) {
  const std::vector<TokenId> many = {kEos, 5, 2, 6}, none = {5, 6};
  StepPlan plan;
  plan.encode = {{many, {}, Pooling::kLast}, {none, {}, Pooling::kLast}};
  EXPECT_THAT(Pairs(StateRowsOf(plan, {kEos, 2})), ElementsAre(std::pair{2, 3}, std::pair{5, 6}));
}

TEST(TokenResultsTest, ScoredTokensAmongOthers) {
  const std::vector<TokenId> three = {0, 5, 6}, targets = {5, 6, 7}, one = {9};
  StepPlan plan;
  plan.rows.resize(6);
  plan.rows[1].tokens = three;  // a prefix
  plan.rows[2].tokens = three;
  plan.rows[2].targets = targets;
  plan.rows[3].tokens = one;
  plan.rows[3].targets = one;
  plan.rows[5].tokens = three;
  plan.rows[5].targets = targets;
  const ScoredTokens scored = ScoredTokensOf(plan, {1, 5});
  EXPECT_THAT(scored.offsets, ElementsAre(0, 4, 5, 6, 7));
  EXPECT_THAT(scored.targets, ElementsAre(5, 6, 7, 9));
  EXPECT_THAT(scored.counts, ElementsAre(3, 1));
  EXPECT_THAT(ScoredTokensOf(plan, {0, 2}).targets, IsEmpty());
}

TEST(TokenResultsTest, SharesByCount) {
  EXPECT_THAT(Share({1, 2, 3, 4, 5, 6}, 2, {1, 2}),
              ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4, 5, 6)));
}

}  // namespace
}  // namespace transept
