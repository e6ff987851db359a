// Who is let in, and when.
#include <chrono>
#include <string>

#include "engine/types/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(SchedulerTest, PriorityCountsAsEarlierArrival) {
  options_.max_rows = 1;
  options_.priority_interval = seconds(10);
  Create(16);
  ASSERT_TRUE(Add(1, MakeRequest(4, 1, 2)).ok());
  now_ += seconds(5);
  Request urgent = MakeRequest(4, 1, 3);
  urgent.priority = 1;
  ASSERT_TRUE(Add(2, urgent).ok());
  now_ += seconds(6);
  ASSERT_TRUE(Add(3, urgent).ok());
  Request patient = MakeRequest(4, 1, 4);
  patient.priority = -1;
  ASSERT_TRUE(Add(4, patient).ok());
  EXPECT_THAT(Step().rows, ElementsAre(2));
  EXPECT_THAT(Step().rows, ElementsAre(1));
  EXPECT_THAT(Step().rows, ElementsAre(3));
  EXPECT_THAT(Step().rows, ElementsAre(4));
}

TEST_F(SchedulerTest, NobodyOvertakes) {
  Create(16);
  Request samples = MakeRequest(4, 5, 2);
  samples.params.num_sequences = 3;
  ASSERT_TRUE(Add(1, samples).ok());
  samples.source = {3};
  ASSERT_TRUE(Add(2, samples).ok());
  ASSERT_TRUE(Add(3, MakeRequest(4, 5, 4)).ok());
  // There is a row left for 3, but it is not its turn.
  EXPECT_THAT(Requests(Schedule()), ElementsAre(1, 1, 1));
}

TEST_F(SchedulerTest, EncoderTokensAreBudgeted) {
  options_.max_encoder_tokens = 10;
  Create(32);
  ASSERT_TRUE(Add(1, MakeRequest(6, 9, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(6, 9, 3)).ok());
  ASSERT_TRUE(Add(3, MakeRequest(4, 9, 4)).ok());
  EXPECT_THAT(Step().rows, ElementsAre(1));
  EXPECT_THAT(Step().rows, ElementsAre(1, 2, 3));
}

TEST_F(SchedulerTest, ASourceBeyondTheBudgetGoesAlone) {
  options_.max_encoder_tokens = 10;
  Create(32);
  ASSERT_TRUE(Add(1, MakeRequest(2, 9, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(30, 9, 3)).ok());
  ASSERT_TRUE(Add(3, MakeRequest(2, 9, 4)).ok());
  EXPECT_THAT(Step().encoded, ElementsAre(2));
  const Ran second = Step();
  EXPECT_THAT(second.encoded, ElementsAre(30));
  EXPECT_THAT(second.rows, ElementsAre(1, 2));
  EXPECT_THAT(Step().rows, ElementsAre(1, 2, 3));
}

// A source that is encoded beside the rows of a step has its first readers in the next one: also
// those that share it, and that start with a prefix.
TEST_F(SchedulerTest, RowsWaitForASourceThatIsEncodedBesideThem) {
  options_.encode_beside_rows = true;
  Create(32);
  ASSERT_TRUE(Add(1, MakeRequest(6, 3, 2)).ok());
  Ran first = Step();
  EXPECT_THAT(first.encoded, ElementsAre(6));
  EXPECT_THAT(first.rows, ElementsAre());
  Request shares = MakeRequest(5, 3, 3);
  ASSERT_TRUE(Add(2, shares).ok());
  shares.target_prefix = {11, 12};
  ASSERT_TRUE(Add(3, shares).ok());
  Ran second = Step();
  EXPECT_THAT(second.encoded, ElementsAre(5));
  EXPECT_THAT(second.rows, ElementsAre(1));
  // One whose source is there already waits for nothing.
  ASSERT_TRUE(Add(4, MakeRequest(6, 3, 2)).ok());
  const Ran third = Step();
  EXPECT_THAT(third.rows, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(third.fed, ElementsAre(1, 1, 3, 1));
}

TEST_F(SchedulerTest, PrefixesAreBudgetedRowByRow) {
  options_.max_encoder_tokens = 10;
  Create(64);
  Request samples = MakeRequest(2, 9);
  samples.params.num_sequences = 3;
  samples.target_prefix = {11, 12, 13};
  ASSERT_TRUE(Add(1, samples).ok());
  EXPECT_THAT(Step().fed, ElementsAre(4, 4));  // beside 2 tokens to encode
  EXPECT_THAT(Step().fed, ElementsAre(1, 1, 4));
}

TEST_F(SchedulerTest, AdmissionLeavesRoomToGrow) {
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  // Each has a source and a self block, and each may soon need one more.
  EXPECT_THAT(Step().rows, ElementsAre(1, 2));

  Create(5);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  EXPECT_THAT(Step().rows, ElementsAre(1));

  // Rows that fit into their first block need no more.
  Create(4);
  ASSERT_TRUE(Add(1, MakeRequest(4, 4, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 4, 3)).ok());
  EXPECT_THAT(Step().rows, ElementsAre(1, 2));
}

TEST_F(SchedulerTest, RefusesWhatCouldNeverRun) {
  Create(8);
  EXPECT_EQ(FieldOf(Add(1, MakeRequest(0, 4))), "source");
  Request samples = MakeRequest(4, 4);
  samples.params.num_sequences = 5;
  EXPECT_EQ(FieldOf(Add(2, samples)), "options.num_return_sequences");
  EXPECT_TRUE(Add(3, MakeRequest(16, 16)).ok());
  const absl::Status status = Add(4, MakeRequest(17, 16));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("9 K/V blocks"), HasSubstr("source of 17"), HasSubstr("only 8")));
  EXPECT_FALSE(RetryAfterOf(status).has_value());
  samples.params.num_sequences = 4;
  samples.params.max_new_tokens = 5;
  EXPECT_EQ(scheduler_->Check(samples).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(scheduler_->stats().requests_rejected, 3u);
  EXPECT_EQ(scheduler_->stats().requests_waiting, 1);
}

}  // namespace
}  // namespace transept
