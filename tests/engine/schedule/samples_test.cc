// The samples of one request compute what they share of its prefix once.
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class SamplesTest : public SchedulerTest {
 protected:
  // Of one source block.
  static Request MakeSamples(int32_t count, int32_t max_new_tokens, int32_t prefix) {
    Request samples = MakeRequest(4, max_new_tokens);
    samples.params.num_sequences = count;
    for (TokenId token = 20; token < 20 + prefix; ++token) samples.target_prefix.push_back(token);
    return samples;
  }

  static std::vector<size_t> Fed(const StepPlan& plan) {
    std::vector<size_t> fed;
    for (const RowPlan& row : plan.rows) fed.push_back(row.tokens.size());
    return fed;
  }
};

TEST_F(SamplesTest, InheritWholeBlocksOfThePrefixAStepLater) {
  Create(20);
  ASSERT_TRUE(Add(1, MakeSamples(3, 9, 9)).ok());
  const StepPlan first = Schedule();
  EXPECT_THAT(Fed(first), ElementsAre(10));
  EXPECT_EQ(pool_->num_used(), 1 + 2 + 3);
  Update(first, 40);
  const StepPlan second = Schedule();
  EXPECT_THAT(Fed(second), ElementsAre(1, 2, 2));
  for (int row : {1, 2}) {
    EXPECT_TRUE(second.rows[row].starts());
    EXPECT_EQ(second.rows[row].first_position, 8);
    EXPECT_THAT(second.rows[row].tokens, ElementsAre(27, 28));
    EXPECT_EQ(second.rows[row].blocks.first(2), second.rows[0].blocks.first(2));
    EXPECT_NE(second.rows[row].blocks[2], second.rows[0].blocks[2]);
  }
  Update(second, 41);
  EXPECT_THAT(Fed(Schedule()), ElementsAre(1, 1, 1));
}

TEST_F(SamplesTest, FollowInTheStepThatIsPlannedAhead) {
  Create(20);
  ASSERT_TRUE(Add(1, MakeSamples(2, 9, 4)).ok());
  const StepPlan first = Schedule();
  EXPECT_THAT(Fed(first), ElementsAre(5));
  const StepPlan ahead = Schedule();
  EXPECT_THAT(Fed(ahead), ElementsAre(0, 1));
  EXPECT_FALSE(ahead.rows[0].starts());
  EXPECT_TRUE(ahead.rows[1].starts());
}

TEST_F(SamplesTest, ShareNothingOfAPrefixThatFillsNoBlock) {
  Create(20);
  ASSERT_TRUE(Add(1, MakeSamples(3, 9, 3)).ok());
  EXPECT_THAT(Fed(Schedule()), ElementsAre(4, 4, 4));
}

TEST_F(SamplesTest, KeepWhatARowComputedThatHasEnded) {
  Create(20, /*keep_idle=*/false);
  ASSERT_TRUE(Add(1, MakeSamples(3, 9, 8)).ok());
  Step(kEos);
  EXPECT_EQ(pool_->num_used(), 1 + 2 + 2);
  // Somebody else gets what has become free.
  ASSERT_TRUE(Add(2, MakeRequest(4, 9, 6)).ok());
  const StepPlan plan = Schedule();
  EXPECT_THAT(Requests(plan), ElementsAre(1, 1, 2));
  EXPECT_EQ(plan.rows[0].blocks.first(2), plan.rows[1].blocks.first(2));
  Update(plan, kEos);
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_EQ(pool_->num_used(), 0);
}

TEST_F(SamplesTest, WaitWithTheRowThatComputesForThem) {
  options_.max_encoder_tokens = 12;
  Create(40);
  ASSERT_TRUE(Add(1, MakeRequest(8, 9, 6)).ok());
  ASSERT_TRUE(Add(2, MakeSamples(2, 9, 8)).ok());
  EXPECT_THAT(Step().rows, ElementsAre(1));  // both sources: no room for 9 tokens
  EXPECT_THAT(Step().rows, ElementsAre(1, 2));
  EXPECT_THAT(Step().rows, ElementsAre(1, 2, 2));
}

TEST_F(SamplesTest, ShareThePrefixAgainAfterAPreemption) {
  Create(10);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 6)).ok());  // up to 5 blocks
  now_ += std::chrono::milliseconds(1);
  ASSERT_TRUE(Add(2, MakeSamples(2, 12, 8)).ok());  // up to 9
  StepPlan plan = Schedule();
  while (scheduler_->stats().preemptions == 0) {
    Update(plan);
    plan = Schedule();
    ASSERT_FALSE(scheduler_->idle());
  }
  Update(plan);
  while (!Ended(1)) Step();
  const StepPlan again = Schedule();
  ASSERT_THAT(Fed(again), ElementsAre(17));
  Update(again);
  const StepPlan next = Schedule();
  ASSERT_THAT(Fed(next), ElementsAre(1, 8));
  EXPECT_EQ(next.rows[1].first_position, 8);
  EXPECT_EQ(next.rows[1].blocks.first(2), next.rows[0].blocks.first(2));
  Update(next);
  while (!scheduler_->idle()) Step();
  EXPECT_THAT(ends_.at(2)->hypotheses[1].tokens, SizeIs(12));
  EXPECT_EQ(pool_->num_used(), sources_->idle_blocks());
}

TEST_F(SamplesTest, AnotherOneComputesThePrefixAgainIfTheFirstHasEnded) {
  Create(10, /*keep_idle=*/false);
  ASSERT_TRUE(Add(1, MakeSamples(3, 8, 8)).ok());  // up to 9 blocks
  Step(kEos);
  Request sooner = MakeRequest(4, 9, 6);  // up to 4
  sooner.target_prefix = {30, 31, 32};
  sooner.priority = 1;
  ASSERT_TRUE(Add(2, sooner).ok());
  while (!Ended(2)) Step();
  EXPECT_EQ(scheduler_->stats().preemptions, 1u);
  const StepPlan again = Schedule();
  ASSERT_THAT(Fed(again), SizeIs(1));
  EXPECT_EQ(again.rows[0].hypothesis, 1);
  EXPECT_TRUE(again.rows[0].starts());
  EXPECT_EQ(again.rows[0].tokens, again.rows[0].history);
  Update(again);
  const StepPlan next = Schedule();
  ASSERT_THAT(Fed(next), SizeIs(2));
  EXPECT_TRUE(next.rows[1].starts());
  EXPECT_EQ(next.rows[1].first_position, 8);
  EXPECT_EQ(next.rows[1].blocks.first(2), next.rows[0].blocks.first(2));
  Update(next);
  while (!scheduler_->idle()) Step();
  EXPECT_EQ(pool_->num_used(), 0);
}

TEST_F(SamplesTest, AreAdmittedWhereTheSharedBlocksCountOnce) {
  Create(1 + 2 + 3 * 2);
  const Request samples = MakeSamples(3, 8, 8);  // 16 positions at most
  ASSERT_TRUE(Add(1, samples).ok());
  while (!scheduler_->idle()) Step();
  EXPECT_EQ(scheduler_->stats().preemptions, 0u);
  EXPECT_THAT(ends_.at(1)->hypotheses, SizeIs(3));
  Create(1 + 2 + 3 * 2 - 1);
  EXPECT_EQ(Add(2, samples).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace transept
