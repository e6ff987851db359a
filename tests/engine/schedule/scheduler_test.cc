#include "engine/schedule/scheduler.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/types/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace transept {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr TokenId kStart = 7;
constexpr TokenId kEos = 1;

// Token n is the letter 'a' + n - 10.
class LetterTokenizer final : public Tokenizer {
 public:
  class Detokenizer final : public IncrementalDetokenizer {
   public:
    std::string Append(absl::Span<const TokenId> ids) override {
      std::string text;
      for (const TokenId id : ids) text += static_cast<char>('a' + id - 10);
      return text;
    }
    std::string Finish() override { return ""; }
  };

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view) const override {
    return absl::UnimplementedError("not needed");
  }
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return std::make_unique<Detokenizer>();
  }
  std::string Piece(TokenId) const override { return ""; }
  int32_t vocab_size() const override { return 36; }
};

Request MakeRequest(int32_t source_length, int32_t max_new_tokens, TokenId fill = 5) {
  Request request;
  request.source.assign(source_length, fill);
  request.params.max_new_tokens = max_new_tokens;
  request.params.eos_tokens = {kEos};
  return request;
}

// A scheduler with blocks of 4 positions, and what became of its requests.
class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() { options_ = {.max_rows = 4, .max_encoder_tokens = 100, .block_size = 4}; }

  // Starts afresh. To be called first.
  void Create(int32_t num_blocks, bool keep_idle = true) {
    scheduler_.reset();
    sources_.reset();
    ends_.clear();
    streamed_.clear();
    options_.decoder_start_token = kStart;
    pool_ = std::make_unique<BlockPool>(num_blocks);
    sources_ = std::make_unique<SourceCache>(pool_.get(), options_.block_size, keep_idle);
    scheduler_ = std::make_unique<Scheduler>(options_, pool_.get(), sources_.get(), &tokenizer_);
  }

  absl::Status Add(RequestId id, Request request) {
    return scheduler_->Add(id, std::move(request), now_);
  }

  StepPlan Schedule() {
    StepPlan plan = scheduler_->Schedule(now_);
    Collect();
    return plan;
  }

  // Every row of `plan` chose `token`.
  void Update(const StepPlan& plan, TokenId token = 20) {
    StepResult result;
    result.id = plan.id;
    result.rows.assign(plan.rows.size(), {token, -0.5f, {}});
    result.encode_time = plan.encode.empty() ? Duration::zero() : milliseconds(3);
    scheduler_->Update(result, now_);
    Collect();
  }

  StepPlan Step(TokenId token = 20) {
    StepPlan plan = Schedule();
    Update(plan, token);
    return plan;
  }

  void Collect() {
    for (Delivery& delivery : scheduler_->TakeDeliveries()) {
      if (const auto* delta = std::get_if<TokenDelta>(&delivery.event)) {
        for (const GeneratedToken& token : delta->tokens) {
          streamed_[delivery.request].push_back(token.token);
        }
      } else {
        auto& end = std::get<absl::StatusOr<Result>>(delivery.event);
        ASSERT_TRUE(ends_.emplace(delivery.request, std::move(end)).second);
      }
    }
  }

  bool Ended(RequestId id) const { return ends_.contains(id); }
  absl::StatusCode Code(RequestId id) const { return ends_.at(id).status().code(); }

  SchedulerOptions options_;
  LetterTokenizer tokenizer_;
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<SourceCache> sources_;
  std::unique_ptr<Scheduler> scheduler_;
  TimePoint now_ = TimePoint() + seconds(1000);
  std::map<RequestId, std::vector<TokenId>> streamed_;
  std::map<RequestId, absl::StatusOr<Result>> ends_;
};

std::vector<RequestId> Requests(const StepPlan& plan) {
  std::vector<RequestId> ids;
  for (const RowPlan& row : plan.rows) ids.push_back(row.request);
  return ids;
}

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
  EXPECT_EQ(Step(22).rows[0].params->max_new_tokens, 2);
  EXPECT_TRUE(Ended(1));
  request.target_prefix = {11, 12, 13, 14};
  EXPECT_EQ(FieldOf(Add(2, request)), "target_prefix");
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
    StepPlan plan = Step();
    EXPECT_THAT(plan.encode, SizeIs(1));
    EXPECT_THAT(Requests(plan), ElementsAre(1, 2));
    ASSERT_TRUE(Add(3, MakeRequest(5, 3)).ok());
    plan = Step();
    EXPECT_THAT(plan.encode, IsEmpty());
    EXPECT_EQ(plan.sources[0].cross_blocks, plan.sources[2].cross_blocks);
    while (!scheduler_->idle()) Step();
    EXPECT_FALSE(ends_.at(1)->encoder_reused);
    EXPECT_TRUE(ends_.at(2)->encoder_reused);
    EXPECT_TRUE(ends_.at(3)->encoder_reused);
    ASSERT_TRUE(Add(4, MakeRequest(5, 1)).ok());
    EXPECT_THAT(Step().encode, SizeIs(keep_idle ? 0 : 1));
    EXPECT_EQ(scheduler_->stats().sources_reused, keep_idle ? 3u : 2u);
    EXPECT_EQ(scheduler_->stats().source_tokens_encoded, keep_idle ? 5u : 10u);
    EXPECT_EQ(pool_->num_used(), keep_idle ? 2 : 0);
  }
}

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
  EXPECT_THAT(Requests(Step()), ElementsAre(2));
  EXPECT_THAT(Requests(Step()), ElementsAre(1));
  EXPECT_THAT(Requests(Step()), ElementsAre(3));
  EXPECT_THAT(Requests(Step()), ElementsAre(4));
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
  EXPECT_THAT(Requests(Step()), ElementsAre(1));
  EXPECT_THAT(Requests(Step()), ElementsAre(1, 2, 3));
}

TEST_F(SchedulerTest, ASourceBeyondTheBudgetGoesAlone) {
  options_.max_encoder_tokens = 10;
  Create(32);
  ASSERT_TRUE(Add(1, MakeRequest(2, 9, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(30, 9, 3)).ok());
  ASSERT_TRUE(Add(3, MakeRequest(2, 9, 4)).ok());
  EXPECT_THAT(Step().encode, SizeIs(1));
  const StepPlan plan = Step();
  ASSERT_THAT(plan.encode, SizeIs(1));
  EXPECT_THAT(plan.encode[0].source, SizeIs(30));
  EXPECT_THAT(Requests(plan), ElementsAre(1, 2));
  EXPECT_THAT(Requests(Step()), ElementsAre(1, 2, 3));
}

TEST_F(SchedulerTest, PrefixesAreBudgetedRowByRow) {
  options_.max_encoder_tokens = 10;
  Create(64);
  Request samples = MakeRequest(2, 9);
  samples.params.num_sequences = 3;
  samples.target_prefix = {11, 12, 13};
  ASSERT_TRUE(Add(1, samples).ok());
  EXPECT_THAT(Step().rows, SizeIs(2));  // 2 to encode, 4 for each row
  const StepPlan second = Step();
  ASSERT_THAT(second.rows, SizeIs(3));
  EXPECT_THAT(second.rows[0].tokens, SizeIs(1));
  EXPECT_THAT(second.rows[2].tokens, SizeIs(4));
}

TEST_F(SchedulerTest, AdmissionLeavesRoomToGrow) {
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  // Each has a source and a self block, and each may soon need one more.
  EXPECT_THAT(Requests(Step()), ElementsAre(1, 2));

  Create(5);
  ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  EXPECT_THAT(Requests(Step()), ElementsAre(1));

  // Rows that fit into their first block need no more.
  Create(4);
  ASSERT_TRUE(Add(1, MakeRequest(4, 4, 2)).ok());
  ASSERT_TRUE(Add(2, MakeRequest(4, 4, 3)).ok());
  EXPECT_THAT(Requests(Step()), ElementsAre(1, 2));
}

// Two requests of one source block each, in a pool where both start but only one can finish.
class PreemptionTest : public SchedulerTest {
 protected:
  void Start(int32_t num_blocks) {
    Create(num_blocks);
    ASSERT_TRUE(Add(1, MakeRequest(4, 16, 2)).ok());
    now_ += milliseconds(1);
    ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
    EXPECT_THAT(Requests(Step()), ElementsAre(1, 2));
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
  while (!Ended(1)) EXPECT_THAT(Requests(Step()), ElementsAre(1));
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

TEST_F(PreemptionTest, ADroppedSourceIsEncodedAgain) {
  Create(6);
  ASSERT_TRUE(Add(1, MakeRequest(4, 20, 2)).ok());  // 6 blocks at its longest
  now_ += milliseconds(1);
  ASSERT_TRUE(Add(2, MakeRequest(4, 16, 3)).ok());
  int encoded = 0;
  while (!scheduler_->idle()) encoded += Step().encode.size();
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
  EXPECT_THAT(Requests(Step()), ElementsAre(2, 1));
  while (Requests(Step()).size() == 2) {
  }
  // Request 1 was first to need a block, but it is behind.
  EXPECT_TRUE(Requests(Step()) == std::vector<RequestId>{2});
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

TEST_F(SchedulerTest, TheQueueIsBounded) {
  options_.max_waiting = 2;
  Create(8);
  EXPECT_TRUE(Add(1, MakeRequest(4, 4)).ok());
  EXPECT_TRUE(Add(2, MakeRequest(4, 4)).ok());
  const absl::Status status = Add(3, MakeRequest(4, 4));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(RetryAfterOf(status).has_value());
  Step();
  EXPECT_TRUE(Add(3, MakeRequest(4, 4)).ok());
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
