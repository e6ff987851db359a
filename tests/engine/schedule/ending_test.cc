// Requests that end otherwise than by their last token, and what is told of them.
#include <chrono>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(SchedulerTest, CancelsInEveryState) {
  options_.max_rows = 1;
  Create(16, false);
  ASSERT_TRUE(Add(1, MakeRequest(4, 9)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 9)).ok());
  const StepPlan first = Schedule();
  scheduler_->Cancel(2);  // waiting
  const StepPlan second = Schedule();
  EXPECT_EQ(Code(2), absl::StatusCode::kCancelled);
  scheduler_->Cancel(1);  // two steps in flight
  scheduler_->Cancel(77);
  Update(first);
  EXPECT_TRUE(Schedule().empty());
  EXPECT_EQ(Code(1), absl::StatusCode::kCancelled);
  EXPECT_EQ(pool_->num_used(), 0);
  Update(second);
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_EQ(scheduler_->stats().requests_failed, 2u);
  scheduler_->Cancel(1);  // ended
  EXPECT_TRUE(Schedule().empty());
}

TEST_F(SchedulerTest, CancelAndAddLeaveThePlanAlone) {
  Create(16);
  ASSERT_TRUE(Add(1, MakeRequest(4, 9)).ok());
  const StepPlan plan = Schedule();
  scheduler_->Cancel(1);
  for (RequestId id = 2; id < 50; ++id) ASSERT_TRUE(Add(id, MakeRequest(4, 9)).ok());
  EXPECT_THAT(plan.rows[0].history, ElementsAre(kStart));
  EXPECT_THAT(plan.encode[0].source, ElementsAre(5, 5, 5, 5));
  EXPECT_THAT(plan.sources[0].cross_blocks, SizeIs(1));
  EXPECT_EQ(plan.rows[0].params->max_new_tokens, 9);
}

TEST_F(SchedulerTest, DeadlinesHoldInEveryState) {
  options_.max_rows = 1;
  Create(16, false);
  Request request = MakeRequest(4, 9);
  request.deadline = now_ + milliseconds(10);
  ASSERT_TRUE(Add(1, request).ok());
  ASSERT_TRUE(Add(2, request).ok());
  Step();
  now_ += milliseconds(9);
  const StepPlan last = Schedule();
  EXPECT_THAT(Requests(last), ElementsAre(1));
  now_ += milliseconds(1);
  EXPECT_TRUE(Schedule().empty());
  EXPECT_EQ(Code(1), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(ends_.at(1).status().message()), HasSubstr("after 1 tokens"));
  EXPECT_EQ(Code(2), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(ends_.at(2).status().message()), HasSubstr("waiting"));
  EXPECT_EQ(pool_->num_used(), 0);
  Update(last);
  EXPECT_THAT(streamed_[1], SizeIs(1));
}

TEST_F(SchedulerTest, FailAllEndsEverythingAndTrustsNoPage) {
  options_.max_rows = 2;
  Create(16);
  ASSERT_TRUE(Add(1, MakeRequest(4, 1, 2)).ok());
  Step();
  EXPECT_EQ(sources_->idle_blocks(), 1);
  for (RequestId id = 2; id <= 4; ++id) ASSERT_TRUE(Add(id, MakeRequest(4, 9, 3)).ok());
  const StepPlan plan = Schedule();
  scheduler_->FailAll(absl::InternalError("device lost"));
  Collect();
  for (RequestId id = 2; id <= 4; ++id) EXPECT_EQ(Code(id), absl::StatusCode::kInternal);
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_EQ(pool_->num_used(), 0);
  ASSERT_TRUE(Add(5, MakeRequest(4, 9, 3)).ok());
  const StepPlan next = Schedule();
  EXPECT_THAT(next.encode, SizeIs(1));
  Update(plan);  // too late
  EXPECT_THAT(streamed_[5], IsEmpty());
  Update(next);
  EXPECT_THAT(streamed_[5], SizeIs(1));
}

TEST_F(SchedulerTest, MeasuresWhereTheTimeWent) {
  options_.max_rows = 1;
  Create(16);
  ASSERT_TRUE(Add(1, MakeRequest(4, 1, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 2, 3)).ok());
  now_ += milliseconds(10);
  Step();
  now_ += milliseconds(20);
  const StepPlan plan = Schedule();
  now_ += milliseconds(7);
  Update(plan);
  now_ += milliseconds(1);
  Step();
  const RequestTimings& timings = ends_.at(2)->timings;
  EXPECT_DOUBLE_EQ(timings.queue_ms, 30);
  EXPECT_DOUBLE_EQ(timings.encode_ms, 3);
  EXPECT_DOUBLE_EQ(timings.decode_ms, 5);
  EXPECT_DOUBLE_EQ(timings.total_ms, 38);
}

}  // namespace
}  // namespace transept
