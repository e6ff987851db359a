// Requests that are scored or encoded, among those that generate.
#include "gmock/gmock.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ScoreTest : public SchedulerTest {
 protected:
  static Request Score(int32_t source_length, std::vector<std::vector<TokenId>> targets) {
    Request request;
    request.source.assign(source_length, 5);
    request.targets = std::move(targets);
    return request;
  }
  static Request Encode(int32_t source_length, TokenId fill = 5) {
    Request request;
    request.source.assign(source_length, fill);
    request.pooling = Pooling::kMean;
    return request;
  }
  const Result& ResultOf(RequestId id) { return *ends_.at(id); }
};

TEST_F(ScoreTest, ATargetIsFedInOneStep) {
  Create(20);
  ASSERT_TRUE(Add(1, Score(6, {{10, 11, kEos}, {12}})).ok());
  const StepPlan plan = Schedule();
  ASSERT_EQ(plan.rows.size(), 2u);
  EXPECT_THAT(plan.rows[0].tokens, ElementsAre(kStart, 10, 11));
  EXPECT_THAT(plan.rows[0].targets, ElementsAre(10, 11, kEos));
  EXPECT_THAT(plan.rows[1].tokens, ElementsAre(kStart));
  EXPECT_THAT(plan.rows[1].targets, ElementsAre(12));
  EXPECT_EQ(plan.sources.size(), 1u);
  EXPECT_TRUE(Schedule().empty());  // while the step is in flight
  Update(plan);
  ASSERT_TRUE(Ended(1));
  ASSERT_EQ(ResultOf(1).hypotheses.size(), 2u);
  EXPECT_EQ(ResultOf(1).hypotheses[0].tokens.size(), 3u);
  EXPECT_EQ(ResultOf(1).hypotheses[0].tokens[2].token, kEos);
  EXPECT_FLOAT_EQ(ResultOf(1).hypotheses[0].score, -0.75f);
  EXPECT_FALSE(ResultOf(1).encoder_reused);
  EXPECT_TRUE(streamed_.empty());
  EXPECT_EQ(scheduler_->stats().blocks_used, scheduler_->stats().blocks_cached);
  EXPECT_EQ(scheduler_->stats().tokens_generated, 0u);
}

// It is for requests that generate; here it says nothing.
TEST_F(ScoreTest, ATargetPrefixDoesNotCount) {
  Create(20);
  Request request = Score(6, {{10, 11}, {12}});
  request.target_prefix.assign(9, 5);  // longer than the targets, and than a block
  ASSERT_TRUE(Add(1, request).ok());
  const Ran ran = Step();
  EXPECT_THAT(ran.fed, ElementsAre(2, 1));
  EXPECT_TRUE(Ended(1));
}

TEST_F(ScoreTest, RunsAmongOthersAndSharesTheirSource) {
  Create(20);
  ASSERT_TRUE(Add(1, MakeRequest(6, 3)).ok());
  Step();
  ASSERT_TRUE(Add(2, Score(6, {{10, 11}})).ok());
  const Ran ran = Step();
  EXPECT_THAT(ran.rows, ElementsAre(1, 2));
  EXPECT_THAT(ran.fed, ElementsAre(1, 2));
  EXPECT_THAT(ran.encoded, IsEmpty());
  ASSERT_TRUE(Ended(2));
  EXPECT_TRUE(ResultOf(2).encoder_reused);
  EXPECT_FALSE(Ended(1));
  Step();
  EXPECT_TRUE(Ended(1));
}

// Targets count as bulk work, so a request's may take several steps.
TEST_F(ScoreTest, TargetsKeepToTheBudget) {
  options_.max_encoder_tokens = 10;
  Create(40);
  ASSERT_TRUE(Add(1, Score(2, {{10, 11, 12, 13}, {10, 11, 12, 13}, {10, 11, 12, 13}, {10}})).ok());
  EXPECT_THAT(Step().fed, ElementsAre(4, 4, 1));
  EXPECT_FALSE(Ended(1));
  EXPECT_THAT(Step().fed, ElementsAre(4));
  EXPECT_TRUE(Ended(1));
}

TEST_F(ScoreTest, CancelledInFlight) {
  Create(20);
  ASSERT_TRUE(Add(1, Score(6, {{10, 11}})).ok());
  ASSERT_TRUE(Add(2, Encode(6)).ok());
  const StepPlan plan = Schedule();
  scheduler_->Cancel(1);
  scheduler_->Cancel(2);
  EXPECT_TRUE(Schedule().empty());
  EXPECT_EQ(Code(1), absl::StatusCode::kCancelled);
  EXPECT_EQ(Code(2), absl::StatusCode::kCancelled);
  Update(plan);
  EXPECT_TRUE(scheduler_->idle());
  sources_->Clear();
  EXPECT_EQ(pool_->num_used(), 0);
}

TEST_F(ScoreTest, SaysWhatCanNeverRun) {
  options_.max_target_positions = 8;
  Create(4);
  EXPECT_THAT(std::string(Add(1, Score(1, {{10}, {}})).message()), HasSubstr("targets[1]"));
  EXPECT_THAT(std::string(Add(1, Score(1, {{10}, {10}, {10}, {10}, {10}})).message()),
              HasSubstr("5 targets; at most 4"));
  EXPECT_THAT(std::string(Add(1, Score(1, {std::vector<TokenId>(9, 5)})).message()),
              HasSubstr("9 tokens; the model has 8"));
  const absl::Status status = Add(1, Score(8, {{1, 2, 3, 4, 5}, {1}}));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("needs 5 K/V blocks"));
}

// An encoding takes neither blocks nor rows, and leaves none: the source cache has no states.
TEST_F(ScoreTest, EncodesWithoutBlocks) {
  Create(2);
  ASSERT_TRUE(Add(1, MakeRequest(4, 4)).ok());  // all blocks
  Step();
  ASSERT_TRUE(Add(2, Encode(50)).ok());
  ASSERT_TRUE(Add(3, Encode(4)).ok());
  EXPECT_THAT(Step().encoded, ElementsAre(50, 4));
  ASSERT_TRUE(Ended(2));
  EXPECT_THAT(ResultOf(2).states, ElementsAre(50));
  EXPECT_THAT(ResultOf(3).states, ElementsAre(4));
  EXPECT_FALSE(ResultOf(3).encoder_reused);
  EXPECT_EQ(ResultOf(2).source_tokens, 50);
}

TEST_F(ScoreTest, EncodingsKeepToTheBudget) {
  Create(2);
  ASSERT_TRUE(Add(1, Encode(60)).ok());
  ASSERT_TRUE(Add(2, Encode(60)).ok());
  EXPECT_THAT(Step().encoded, ElementsAre(60));
  EXPECT_THAT(Step().encoded, ElementsAre(60));
}

}  // namespace
}  // namespace transept
