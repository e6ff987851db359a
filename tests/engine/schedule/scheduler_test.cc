// A request from its first step to its last token.
#include "engine/types/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(SchedulerTest, PlansTheFirstStepOfARequest) {
  Create(8);
  Request request = MakeRequest(5, 3);
  request.target_prefix = {11, 12};
  ASSERT_TRUE(Add(1, request).ok());
  const StepPlan plan = Schedule();
  ASSERT_THAT(plan.encode, SizeIs(1));
  EXPECT_EQ(plan.encode[0].source, absl::MakeConstSpan(request.source));
  EXPECT_THAT(plan.encode[0].cross_blocks, SizeIs(2));
  ASSERT_THAT(plan.sources, SizeIs(1));
  EXPECT_EQ(plan.sources[0].cross_blocks, plan.encode[0].cross_blocks);
  EXPECT_EQ(plan.sources[0].length, 5);
  ASSERT_THAT(plan.rows, SizeIs(1));
  const RowPlan& row = plan.rows[0];
  EXPECT_EQ(row.request, 1u);
  EXPECT_EQ(row.slot, 0);
  EXPECT_THAT(row.tokens, ElementsAre(kStart, 11, 12));
  EXPECT_EQ(row.first_position, 0);
  EXPECT_THAT(row.blocks, SizeIs(1));
  EXPECT_THAT(row.history, ElementsAre(kStart, 11, 12));
  EXPECT_EQ(row.prompt_length, 3);
  EXPECT_EQ(row.params->max_new_tokens, 3);
}

TEST_F(SchedulerTest, FeedsOneTokenAStepWhenNothingIsInFlight) {
  Create(8);
  ASSERT_TRUE(Add(1, MakeRequest(5, 3)).ok());
  Step(21);
  const StepPlan second = Schedule();
  EXPECT_THAT(second.encode, IsEmpty());
  EXPECT_THAT(second.rows[0].tokens, ElementsAre(21));
  EXPECT_EQ(second.rows[0].first_position, 1);
  EXPECT_THAT(second.rows[0].history, ElementsAre(kStart, 21));
  Update(second, 22);
  Step(23);
  ASSERT_TRUE(Ended(1));
  const Result& result = *ends_.at(1);
  EXPECT_EQ(result.hypotheses[0].finish_reason, FinishReason::kLength);
  EXPECT_FLOAT_EQ(result.hypotheses[0].score, -1.5f);
  EXPECT_THAT(streamed_[1], ElementsAre(21, 22, 23));
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_TRUE(Schedule().empty());
}

TEST_F(SchedulerTest, RunsOneStepAheadOfTheResults) {
  Create(8);
  ASSERT_TRUE(Add(1, MakeRequest(5, 3)).ok());
  const StepPlan first = Schedule();
  const StepPlan second = Schedule();
  EXPECT_THAT(second.rows[0].tokens, IsEmpty());
  EXPECT_EQ(second.rows[0].first_position, 1);
  EXPECT_THAT(second.rows[0].history, ElementsAre(kStart));
  EXPECT_EQ(second.rows[0].slot, first.rows[0].slot);
  Update(first, 21);
  const StepPlan third = Schedule();
  EXPECT_EQ(third.rows[0].first_position, 2);
  EXPECT_THAT(third.rows[0].history, ElementsAre(kStart, 21));
  Update(second, 22);
  // The last token is on its way: there is nothing to plan.
  EXPECT_TRUE(Schedule().empty());
  EXPECT_FALSE(scheduler_->idle());
  Update(third, 23);
  EXPECT_TRUE(Ended(1));
  EXPECT_THAT(streamed_[1], ElementsAre(21, 22, 23));
}

TEST_F(SchedulerTest, ARowThatEndsEarlyWastesOneStepOnly) {
  Create(8);
  ASSERT_TRUE(Add(1, MakeRequest(5, 10)).ok());
  const StepPlan first = Schedule();
  const StepPlan second = Schedule();
  Update(first, kEos);
  ASSERT_TRUE(Ended(1));
  EXPECT_TRUE(Schedule().empty());
  Update(second, 22);
  EXPECT_THAT(streamed_[1], IsEmpty());
  EXPECT_EQ(ends_.at(1)->hypotheses[0].finish_reason, FinishReason::kEos);
  EXPECT_FLOAT_EQ(ends_.at(1)->hypotheses[0].score, -0.5f);
  ASSERT_TRUE(ends_.at(1)->hypotheses[0].eos.has_value());
  EXPECT_EQ(ends_.at(1)->hypotheses[0].eos->token, kEos);
  EXPECT_EQ(ends_.at(1)->hypotheses[0].eos->logprob, -0.5f);
}

TEST_F(SchedulerTest, AStopSequenceEndsARow) {
  Create(8);
  Request request = MakeRequest(5, 10);
  request.params.stop_sequences = {"bc"};
  ASSERT_TRUE(Add(1, request).ok());
  Step(10);
  Step(11);
  EXPECT_FALSE(Ended(1));
  Step(12);
  ASSERT_TRUE(Ended(1));
  EXPECT_EQ(ends_.at(1)->hypotheses[0].finish_reason, FinishReason::kStopSequence);
  EXPECT_THAT(streamed_[1], ElementsAre(10, 11, 12));
}

TEST_F(SchedulerTest, PositionsLimitTheLength) {
  options_.max_target_positions = 5;
  Create(8);
  Request request = MakeRequest(5, 100);
  request.target_prefix = {11, 12};
  ASSERT_TRUE(Add(1, request).ok());
  Step(21);
  Step(22);
  EXPECT_FALSE(Ended(1));
  Step(23);  // which is not fed
  EXPECT_TRUE(Ended(1));
  request.target_prefix = {11, 12, 13, 14};
  EXPECT_TRUE(Add(2, request).ok());
  Step(21);
  EXPECT_TRUE(Ended(2));
  request.target_prefix = {11, 12, 13, 14, 15};
  EXPECT_EQ(FieldOf(Add(3, request)), "target_prefix");
}

TEST_F(SchedulerTest, TheRowsOfARequestShareItsSource) {
  Create(16);
  ASSERT_TRUE(Add(1, MakeRequest(5, 3)).ok());
  Request samples = MakeRequest(9, 3, 6);
  samples.params.num_sequences = 3;
  ASSERT_TRUE(Add(2, samples).ok());
  const StepPlan plan = Schedule();
  EXPECT_THAT(plan.encode, SizeIs(2));
  EXPECT_THAT(plan.sources, SizeIs(2));
  EXPECT_THAT(Requests(plan), ElementsAre(1, 2, 2, 2));
  for (int32_t i = 1; i < 4; ++i) {
    EXPECT_EQ(plan.rows[i].source, 1);
    EXPECT_EQ(plan.rows[i].hypothesis, i - 1);
  }
}

TEST_F(SchedulerTest, RowsEndOneByOne) {
  Create(16);
  Request samples = MakeRequest(4, 9);
  samples.params.num_sequences = 2;
  ASSERT_TRUE(Add(1, samples).ok());
  const StepPlan plan = Schedule();
  StepResult result{.id = plan.id, .rows = {{kEos, -1.0f, {}}, {20, -2.0f, {}}}};
  scheduler_->Update(result, now_);
  EXPECT_EQ(scheduler_->stats().rows_running, 1);
  EXPECT_EQ(pool_->num_used(), 2);
  const StepPlan next = Schedule();
  ASSERT_THAT(next.rows, SizeIs(1));
  EXPECT_EQ(next.rows[0].hypothesis, 1);
  Update(next, kEos);
  ASSERT_TRUE(Ended(1));
  ASSERT_THAT(ends_.at(1)->hypotheses, SizeIs(2));
  EXPECT_THAT(ends_.at(1)->hypotheses[0].tokens, IsEmpty());
  EXPECT_THAT(ends_.at(1)->hypotheses[1].tokens, SizeIs(1));
}

TEST_F(SchedulerTest, IdenticalSourcesAreEncodedOnce) {
  for (const bool keep_idle : {true, false}) {
    Create(16, keep_idle);
    ASSERT_TRUE(Add(1, MakeRequest(5, 3)).ok());
    ASSERT_TRUE(Add(2, MakeRequest(5, 9)).ok());
    const Ran first = Step();
    EXPECT_THAT(first.encoded, ElementsAre(5));
    EXPECT_THAT(first.rows, ElementsAre(1, 2));
    ASSERT_TRUE(Add(3, MakeRequest(5, 3)).ok());
    const StepPlan plan = Schedule();
    EXPECT_THAT(plan.encode, IsEmpty());
    EXPECT_EQ(plan.sources[0].cross_blocks, plan.sources[2].cross_blocks);
    Update(plan);
    while (!scheduler_->idle()) Step();
    EXPECT_FALSE(ends_.at(1)->encoder_reused);
    EXPECT_TRUE(ends_.at(2)->encoder_reused);
    EXPECT_TRUE(ends_.at(3)->encoder_reused);
    ASSERT_TRUE(Add(4, MakeRequest(5, 1)).ok());
    EXPECT_THAT(Step().encoded, SizeIs(keep_idle ? 0 : 1));
    EXPECT_EQ(scheduler_->stats().sources_reused, keep_idle ? 3u : 2u);
    EXPECT_EQ(scheduler_->stats().source_tokens_encoded, keep_idle ? 5u : 10u);
    EXPECT_EQ(pool_->num_used(), keep_idle ? 2 : 0);
  }
}

}  // namespace
}  // namespace transept
