// Who has to make room.
#include <chrono>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two requests of one source block each, in a pool where both start but only one can finish.
class PreemptionTest : public SchedulerTest {
 protected:
  void Start(int32_t num_blocks) {
    Create(num_blocks);
    ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
    now_ += milliseconds(1);
    ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
    EXPECT_THAT(Step().rows, ElementsAre(1, 2));
    while (Requests(plan_ = Schedule()).size() == 2) Update(plan_);
  }

  StepPlan plan_;  // the first without request 2
};

TEST_F(PreemptionTest, KeepsSourceAndTokens) {
  Start(6);
  EXPECT_THAT(Requests(plan_), ElementsAre(1));
  EXPECT_EQ(scheduler_->stats().preemptions, 1u);
  EXPECT_EQ(scheduler_->stats().requests_waiting, 1);
  const std::vector<TokenId> before = streamed_[2];
  EXPECT_THAT(before, SizeIs(8));
  Update(plan_);
  while (!Ended(1)) EXPECT_THAT(Step().rows, ElementsAre(1));
  const StepPlan again = Schedule();
  EXPECT_THAT(again.encode, IsEmpty());
  ASSERT_THAT(again.rows, SizeIs(1));
  EXPECT_THAT(again.rows[0].tokens, SizeIs(1 + before.size()));
  EXPECT_EQ(again.rows[0].first_position, 0);
  Update(again);
  EXPECT_THAT(streamed_[2], SizeIs(before.size() + 1));
  while (!scheduler_->idle()) Step();
  EXPECT_THAT(ends_.at(2)->hypotheses[0].tokens, SizeIs(16));
  EXPECT_FALSE(ends_.at(2)->encoder_reused);
}

TEST_F(PreemptionTest, SourcesAreTheLastToGo) {
  Create(9);
  for (RequestId id = 1; id <= 3; ++id) {
    ASSERT_TRUE(Add(id, MakeRequest(4, 16, static_cast<TokenId>(id))).ok());
  }
  size_t encoded = Step().encoded.size();
  EXPECT_EQ(encoded, 3u);
  while (scheduler_->stats().requests_running > 1) encoded += Step().encoded.size();
  EXPECT_EQ(scheduler_->stats().preemptions, 2u);
  while (!scheduler_->idle()) encoded += Step().encoded.size();
  EXPECT_EQ(encoded, 3u);
}

TEST_F(PreemptionTest, ADroppedSourceIsEncodedAgain) {
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 20, 2)).ok());  // 6 blocks at its longest
  now_ += milliseconds(1);
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  int encoded = 0;
  while (!scheduler_->idle()) encoded += Step().encoded.size();
  EXPECT_TRUE(ends_.at(1).ok());
  EXPECT_TRUE(ends_.at(2).ok());
  EXPECT_EQ(scheduler_->stats().preemptions, 1u);
  EXPECT_EQ(encoded, 3);
}

TEST_F(PreemptionTest, EvictsIdleSourcesFirst) {
  Create(8);
  ASSERT_TRUE(Add(9, MakeRequest(4, 1, 9)).ok());
  Step();
  EXPECT_EQ(sources_->idle_blocks(), 1);
  ASSERT_TRUE(Add(1, MakeRequest(4, 12, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 12, 3)).ok());
  while (!scheduler_->idle()) Step();
  EXPECT_EQ(scheduler_->stats().preemptions, 0u);
  EXPECT_FALSE(sources_->IsWritten(std::vector<TokenId>(4, 9)));
}

TEST_F(PreemptionTest, SparesThoseAhead) {
  options_.priority_interval = seconds(10);
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  Step();
  Request urgent = MakeRequest(4, 16, 3);
  urgent.priority = 1;
  ASSERT_TRUE(Add(2, urgent).ok());
  EXPECT_THAT(Step().rows, ElementsAre(2, 1));
  while (Step().rows.size() == 2) {
  }
  // Request 1 was first to need a block, but it is behind.
  EXPECT_THAT(Step().rows, ElementsAre(2));
  while (!Ended(2)) Step();
  EXPECT_FALSE(Ended(1));
}

TEST_F(PreemptionTest, TheTokenInFlightCounts) {
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  now_ += milliseconds(1);
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  StepPlan previous = Schedule();
  StepPlan next = Schedule();
  while (next.rows.size() == 2) {
    Update(previous);
    previous = std::exchange(next, Schedule());
  }
  const size_t before = streamed_[2].size();
  Update(previous, 25);
  EXPECT_EQ(streamed_[2].size(), before + 1);
  EXPECT_EQ(streamed_[2].back(), 25);
  EXPECT_EQ(scheduler_->stats().requests_waiting, 1);
  Update(next);
  EXPECT_EQ(streamed_[2].size(), before + 1);
}

TEST_F(PreemptionTest, APreemptedRequestCanBeCancelled) {
  Start(6);
  scheduler_->Cancel(2);
  Update(plan_);
  Schedule();
  EXPECT_EQ(Code(2), absl::StatusCode::kCancelled);
  EXPECT_EQ(scheduler_->stats().requests_waiting, 0);
  EXPECT_EQ(scheduler_->stats().blocks_cached, 1);  // its source
}

TEST_F(PreemptionTest, APreemptedRequestCanEndWithTheTokenInFlight) {
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  now_ += milliseconds(1);
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  StepPlan previous = Schedule();
  StepPlan next = Schedule();
  while (next.rows.size() == 2) {
    Update(previous);
    previous = std::exchange(next, Schedule());
  }
  Update(previous, kEos);
  EXPECT_TRUE(ends_.at(2).ok());
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_EQ(pool_->num_used(), sources_->idle_blocks());
}

}  // namespace
}  // namespace transept
