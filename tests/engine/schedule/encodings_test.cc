// Sources that take more steps than the one that begins with them.
#include "engine/schedule/encodings.h"

#include <chrono>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

Encoding Of(uint64_t step, uint64_t tokens) {
  Encoding encoding;
  encoding.step = step;
  encoding.tokens = tokens;
  return encoding;
}

TEST(EncodingsTest, AreFoundOnceTakenOrAwaited) {
  Encodings encodings(/*beside_rows=*/true);
  EXPECT_FALSE(encodings.busy());
  encodings.Add(Of(3, 10));
  EXPECT_TRUE(encodings.busy());
  EXPECT_FALSE(encodings.CanAdd());
  EXPECT_FALSE(encodings.Finds(3));
  encodings.Await(5);
  EXPECT_FALSE(encodings.busy());
  EXPECT_TRUE(encodings.Finds(3));
  EXPECT_FALSE(encodings.Finds(5));
  encodings.Add(Of(5, 10));
  encodings.Await(6);
  EXPECT_FALSE(encodings.CanAdd()) << "two have not been taken";
  EXPECT_EQ(encodings.Take(3, milliseconds(1)).step, 3);
  EXPECT_TRUE(encodings.CanAdd());
  EXPECT_EQ(encodings.Take(5, milliseconds(1)).step, 5);
  EXPECT_TRUE(encodings.none());
}

TEST(EncodingsTest, InFrontOfRowsAreAlwaysFound) {
  Encodings encodings(/*beside_rows=*/false);
  for (const uint64_t step : {1, 2, 3}) {
    EXPECT_TRUE(encodings.CanAdd());
    encodings.Add(Of(step, 10));
    EXPECT_TRUE(encodings.Finds(step));
    EXPECT_FALSE(encodings.busy());
  }
}

TEST(EncodingsTest, AreExpectedAfterTheTimeThatSuchSourcesTookLast) {
  Encodings encodings(/*beside_rows=*/true);
  encodings.Add(Of(1, 100));
  EXPECT_TRUE(encodings.ExpectedBy(2)) << "nothing is known";
  encodings.Take(1, milliseconds(25));
  encodings.NoteStepTime(milliseconds(10));
  encodings.Add(Of(4, 70));  // as many bits as 100
  EXPECT_FALSE(encodings.ExpectedBy(5));
  EXPECT_TRUE(encodings.ExpectedBy(6));
  encodings.Take(4, milliseconds(5));
  encodings.Add(Of(7, 100));
  EXPECT_TRUE(encodings.ExpectedBy(8));
  encodings.Take(7, milliseconds(5));
  encodings.Add(Of(8, 1000));
  EXPECT_TRUE(encodings.ExpectedBy(9)) << "nothing is known of so many";
}

class EncodingBesideRowsTest : public SchedulerTest {
 protected:
  EncodingBesideRowsTest() { options_.encode_beside_rows = true; }

  // All of this test's sources take this long, and all steps.
  static constexpr Duration kEncodeTime = milliseconds(100);
  static constexpr Duration kStepTime = milliseconds(10);

  // The result of `plan`, whose rows chose any token, names `encoded`, if it is a step.
  void UpdateNaming(const StepPlan& plan, uint64_t encoded, size_t num_states = 0) {
    StepResult result;
    result.id = plan.id;
    result.rows.assign(plan.rows.size(), {20, -0.5f, {}});
    result.step_time = kStepTime;
    result.encoded = encoded;
    if (encoded > 0) result.encode_time = kEncodeTime;
    result.states.assign(num_states, {1.0f});
    scheduler_->Update(result, now_);
    Collect();
  }

  // A request of two rows runs, and both times are known. Returns the id of the last step.
  uint64_t RunTwoRows() {
    Create(64);
    Request samples = MakeRequest(6, 30, 2);
    samples.params.num_sequences = 2;
    EXPECT_TRUE(Add(1, samples).ok());
    const uint64_t encoding = StepNaming(0).id;
    StepNaming(encoding);
    return StepNaming(0).id;
  }

  struct Planned {
    uint64_t id;
    bool awaits_encoder;
    std::vector<RequestId> rows;
    size_t encoded;
  };
  Planned StepNaming(uint64_t encoded) {
    const StepPlan plan = Schedule();
    Planned planned{plan.id, plan.awaits_encoder, Requests(plan), plan.encode.size()};
    UpdateNaming(plan, encoded);
    return planned;
  }
};

TEST_F(EncodingBesideRowsTest, RowsDoNotWaitForTheSourceOfFewer) {
  RunTwoRows();
  ASSERT_TRUE(Add(2, MakeRequest(5, 9, 3)).ok());
  const Planned begins = StepNaming(0);
  EXPECT_THAT(begins.rows, ElementsAre(1, 1));
  EXPECT_EQ(begins.encoded, 1);
  // Nor does another source begin meanwhile.
  ASSERT_TRUE(Add(3, MakeRequest(5, 9, 4)).ok());
  for (int step = 0; step < 3; ++step) {
    const Planned meanwhile = StepNaming(0);
    EXPECT_THAT(meanwhile.rows, ElementsAre(1, 1));
    EXPECT_EQ(meanwhile.encoded, 0);
    EXPECT_FALSE(meanwhile.awaits_encoder);
  }
  EXPECT_THAT(StepNaming(begins.id).rows, ElementsAre(1, 1));
  const Planned joined = StepNaming(0);
  EXPECT_THAT(joined.rows, ElementsAre(1, 1, 2));
  EXPECT_FALSE(joined.awaits_encoder);
  EXPECT_EQ(joined.encoded, 1);
}

TEST_F(EncodingBesideRowsTest, RowsWaitForTheSourceOfAsMany) {
  RunTwoRows();
  Request samples = MakeRequest(5, 9, 3);
  samples.params.num_sequences = 2;
  ASSERT_TRUE(Add(2, samples).ok());
  StepNaming(0);
  const Planned next = StepNaming(0);
  EXPECT_TRUE(next.awaits_encoder);
  EXPECT_THAT(next.rows, ElementsAre(1, 1, 2, 2));
}

TEST_F(EncodingBesideRowsTest, RowsWaitForASourceThatIsExpected) {
  RunTwoRows();
  ASSERT_TRUE(Add(2, MakeRequest(5, 9, 3)).ok());
  Planned step = StepNaming(0);
  const uint64_t begun = step.id;
  while (!step.awaits_encoder && step.id < begun + 20) step = StepNaming(0);
  EXPECT_EQ(step.id, begun + 10);  // of 10 ms each, where sources take 100
  EXPECT_THAT(step.rows, ElementsAre(1, 1, 2));
}

// The encoder may still write to them.
TEST_F(EncodingBesideRowsTest, BlocksOfACancelledSourceAreKeptUntilItIsEncoded) {
  RunTwoRows();
  ASSERT_TRUE(Add(2, MakeRequest(40, 9, 3)).ok());
  const Planned begins = StepNaming(0);
  scheduler_->Cancel(1);
  scheduler_->Cancel(2);
  StepPlan plan = Schedule();
  EXPECT_TRUE(Ended(1) && Ended(2));
  EXPECT_EQ(sources_->idle_blocks(), 2) << "of request 1";
  EXPECT_FALSE(scheduler_->idle());
  // A step that is there to wait for that.
  EXPECT_TRUE(plan.awaits_encoder);
  EXPECT_THAT(plan.rows, IsEmpty());
  EXPECT_TRUE(Schedule().empty());
  UpdateNaming(plan, begins.id);
  EXPECT_EQ(sources_->idle_blocks(), 12);
  EXPECT_TRUE(scheduler_->idle());
}

TEST_F(EncodingBesideRowsTest, StatesComeWhenTheyAreNamed) {
  RunTwoRows();
  Request encode = MakeRequest(5, 1, 3);
  encode.pooling = Pooling::kMean;
  ASSERT_TRUE(Add(2, encode).ok());
  const Planned begins = StepNaming(0);
  EXPECT_THAT(StepNaming(0).rows, ElementsAre(1, 1));
  EXPECT_FALSE(Ended(2));
  UpdateNaming(Schedule(), begins.id, 1);
  ASSERT_TRUE(Ended(2));
  EXPECT_EQ(ends_.at(2)->timings.encode_ms, Milliseconds(kEncodeTime));
}

// Its preemption would free nothing.
TEST_F(EncodingBesideRowsTest, WhatHasNoRowsIsNotPreempted) {
  Create(6);  // of which two requests take 10 at their longest
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  StepNaming(StepNaming(0).id);
  Request encode = MakeRequest(5, 1, 4);
  encode.pooling = Pooling::kMean;
  ASSERT_TRUE(Add(3, encode).ok());
  const Planned begins = StepNaming(0);
  ASSERT_EQ(begins.encoded, 1);
  while (scheduler_->stats().preemptions == 0) StepNaming(0);
  EXPECT_EQ(scheduler_->stats().preemptions, 1) << "of request 2 alone";
  EXPECT_EQ(scheduler_->stats().requests_running, 2);
  UpdateNaming(Schedule(), begins.id, 1);
  EXPECT_TRUE(Ended(3));
}

}  // namespace
}  // namespace transept
