// Searches: their rows go in step. Random worlds are in scheduler_property_test.cc.
#include <vector>

#include "engine/types/errors.h"
#include "gmock/gmock.h"
#include "tests/engine/schedule/scheduler_fixture.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BeamsTest : public SchedulerTest {
 protected:
  static Request MakeSearch(int32_t num_beams, int32_t max_new_tokens) {
    Request request = MakeRequest(4, max_new_tokens);
    request.params.num_beams = num_beams;
    request.params.early_stopping = EarlyStopping::kTrue;
    return request;
  }

  void UpdateSearch(const StepPlan& plan, std::vector<BeamCandidate> candidates) {
    StepResult result;
    result.id = plan.id;
    result.encoded = plan.encode.empty() ? 0 : plan.id;
    result.rows.resize(plan.rows.size());
    result.beams.push_back(std::move(candidates));
    scheduler_->Update(result, now_);
    Collect();
  }

  static std::vector<int32_t> Computed(const StepPlan& plan) {
    std::vector<int32_t> tokens;
    for (const RowPlan& row : plan.rows) tokens.push_back(row.tokens_computed());
    return tokens;
  }

  static std::vector<TokenId> History(const RowPlan& row) {
    return {row.history.begin(), row.history.end()};
  }
};

TEST_F(BeamsTest, RowsTakeOverTheirParentsPast) {
  Create(20);
  ASSERT_TRUE(Add(1, MakeSearch(2, 9)).ok());
  StepPlan plan = Schedule();
  ASSERT_EQ(plan.rows.size(), 2u);
  EXPECT_EQ(plan.rows[0].beam_score, 0.0f);
  EXPECT_LT(plan.rows[1].beam_score, -1e8f);
  UpdateSearch(plan, {{0, 20, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}});
  plan = Schedule();
  EXPECT_THAT(History(plan.rows[0]), ElementsAre(kStart, 20));
  EXPECT_THAT(History(plan.rows[1]), ElementsAre(kStart, 21));
  EXPECT_THAT(plan.rows[1].tokens, ElementsAre(21));
  EXPECT_EQ(plan.rows[1].beam_score, -2.0f);
  EXPECT_THAT(streamed_[1], IsEmpty());
  UpdateSearch(plan, {{1, 24, -2.5}, {1, kEos, -3}, {1, 25, -3.5}, {0, 26, -4}});
  plan = Schedule();
  EXPECT_THAT(History(plan.rows[0]), ElementsAre(kStart, 21, 24));
  EXPECT_THAT(History(plan.rows[1]), ElementsAre(kStart, 21, 25));
  EXPECT_THAT(streamed_[1], ElementsAre(21));
  UpdateSearch(plan, {{0, kEos, -3}, {1, 24, -4}, {1, 25, -5}, {1, 26, -6}});
  ASSERT_TRUE(Ended(1));
  const Result& result = *ends_.at(1);
  ASSERT_EQ(result.hypotheses.size(), 1u);
  EXPECT_FLOAT_EQ(result.hypotheses[0].score, -1.0f);
  EXPECT_EQ(result.hypotheses[0].tokens.size(), 2u);
  EXPECT_EQ(scheduler_->stats().rows_running, 0);
}

TEST_F(BeamsTest, AStepAheadTheirTokensArePending) {
  Create(20);
  ASSERT_TRUE(Add(1, MakeSearch(2, 9)).ok());
  const StepPlan first = Schedule();
  const StepPlan second = Schedule();
  ASSERT_EQ(second.rows.size(), 2u);
  EXPECT_THAT(second.rows[1].tokens, IsEmpty());
  EXPECT_EQ(second.rows[1].first_position, 1);
  // Both end at once: what the second step chooses is nobody's.
  UpdateSearch(first, {{0, kEos, -1}, {0, kEos, -2}, {0, 22, -3}, {0, 23, -4}});
  EXPECT_TRUE(Ended(1));
  UpdateSearch(second, {{0, 20, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}});
  EXPECT_TRUE(scheduler_->idle());
}

// The device goes on with what it takes for the best; it learns better by being fed afresh.
TEST_F(BeamsTest, AreFedAfreshBehindAStopSequence) {
  Create(20);
  Request search = MakeSearch(2, 9);
  search.params.stop_sequences = {"b"};
  ASSERT_TRUE(Add(1, search).ok());
  StepPlan plan = Schedule();
  UpdateSearch(plan, {{0, 20, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}});
  plan = Schedule();
  UpdateSearch(plan, {{0, 11, -2}, {0, 21, -3}, {1, 22, -4}, {1, 23, -5}});
  plan = Schedule();
  ASSERT_EQ(plan.rows.size(), 2u);
  EXPECT_EQ(plan.rows[1].first_position, 0);
  EXPECT_THAT(plan.rows[0].tokens, ElementsAre(kStart, 20, 21));
  EXPECT_THAT(plan.rows[1].tokens, ElementsAre(kStart, 21, 22));
  EXPECT_EQ(plan.rows[1].beam_score, -4.0f);
  EXPECT_THAT(Computed(plan), ElementsAre(3, 3));
  UpdateSearch(plan, {{0, 20, -4}, {0, 21, -5}, {0, 22, -6}, {0, 23, -7}});
  EXPECT_THAT(Schedule().rows[0].tokens, ElementsAre(20));
}

TEST_F(BeamsTest, AStepAheadOfAStopSequenceIsVoid) {
  Create(20);
  Request search = MakeSearch(2, 9);
  search.params.stop_sequences = {"b"};
  ASSERT_TRUE(Add(1, search).ok());
  const StepPlan first = Schedule();
  const StepPlan second = Schedule();
  UpdateSearch(first, {{0, 11, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}});
  EXPECT_TRUE(Schedule().rows.empty());
  UpdateSearch(second, {{0, kEos, -2}, {0, kEos, -3}, {0, 22, -4}, {0, 23, -5}});
  ASSERT_FALSE(Ended(1));
  EXPECT_THAT(History(Schedule().rows[1]), ElementsAre(kStart, 22));
}

TEST_F(BeamsTest, AreFedAllOrNone) {
  options_.max_encoder_tokens = 10;
  options_.max_rows = 8;
  Create(40);
  Request search = MakeSearch(3, 9);
  search.target_prefix = {20, 21, 22};
  ASSERT_TRUE(Add(1, search).ok());  // 4 source tokens and 4 of the target
  ASSERT_TRUE(Add(2, search).ok());  // room for 2 more tokens: none of its rows
  const StepPlan plan = Schedule();
  EXPECT_EQ(Requests(plan), std::vector<RequestId>({1, 1, 1}));
  UpdateSearch(plan, {{0, 20, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}, {0, 24, -5}, {0, 5, -6}});
  EXPECT_EQ(Requests(Schedule()), std::vector<RequestId>({1, 1, 1, 2, 2, 2}));
}

TEST_F(BeamsTest, APrefixIsComputedOnce) {
  Create(20);
  Request search = MakeSearch(3, 9);
  search.target_prefix = {20, 21};
  ASSERT_TRUE(Add(1, search).ok());
  const StepPlan first = Schedule();
  EXPECT_THAT(Computed(first), ElementsAre(3, 0, 0));
  EXPECT_THAT(first.rows[2].tokens, ElementsAre(kStart, 20, 21));
  EXPECT_THAT(Computed(Schedule()), ElementsAre(1, 1, 1));
}

// In a step with other rows too.
TEST_F(BeamsTest, ATokensAlternativesAreThoseOfTheBeamThatItContinued) {
  options_.max_rows = 8;
  Create(40);
  Request search = MakeSearch(2, 1);
  search.params.num_sequences = 2;
  search.params.top_logprobs = 1;
  ASSERT_TRUE(Add(1, MakeRequest(4, 9)).ok());
  ASSERT_TRUE(Add(2, search).ok());
  ASSERT_TRUE(Add(3, search).ok());
  const StepPlan plan = Schedule();
  ASSERT_EQ(Requests(plan), std::vector<RequestId>({1, 2, 2, 3, 3}));
  StepResult result;
  result.id = result.encoded = plan.id;
  for (TokenId row = 0; row < 5; ++row) result.rows.push_back({20, -0.5f, {{100 + row, -1.0f}}});
  result.beams = {{{0, 20, -1}, {1, 21, -2}, {0, 22, -3}, {0, 23, -4}},
                  {{1, kEos, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}}};
  scheduler_->Update(result, now_);
  Collect();
  const auto alternative = [](const GeneratedToken& token) { return token.top.at(0).token; };
  const std::vector<Hypothesis>& second = ends_.at(2)->hypotheses;
  EXPECT_EQ(alternative(second[0].tokens[0]), 101);
  EXPECT_EQ(alternative(second[1].tokens[0]), 102);
  const std::vector<Hypothesis>& third = ends_.at(3)->hypotheses;
  EXPECT_EQ(alternative(*third[0].eos), 104);
  EXPECT_EQ(alternative(third[1].tokens[0]), 103);
}

// A search that loses its place before its prefix was fed shares that all the same; one that has
// gone on does not.
TEST_F(BeamsTest, APastIsSharedUntilTheBeamsHaveOnesOfTheirOwn) {
  Create(14);
  Request search = MakeSearch(2, 9);
  search.target_prefix = {20, 21};
  ASSERT_TRUE(Add(1, search).ok());
  const StepPlan first = Schedule();
  EXPECT_TRUE(first.rows[1].shared_past);
  const StepPlan ahead = Schedule();  // its tokens are on the device
  EXPECT_FALSE(ahead.rows[1].shared_past);
  UpdateSearch(first, {{0, 20, -1}, {0, 21, -2}, {0, 22, -3}, {0, 23, -4}});
  EXPECT_FALSE(Schedule().rows[1].shared_past);
}

TEST_F(BeamsTest, RefusesThoseThatCouldNeverRun) {
  options_.max_search_tokens = 20;
  Create(40);
  EXPECT_EQ(FieldOf(Add(1, MakeSearch(5, 2))), "options.num_beams");
  EXPECT_EQ(FieldOf(Add(2, MakeSearch(4, 6))), "options.num_beams");
  EXPECT_TRUE(Add(3, MakeSearch(4, 5)).ok());
}

}  // namespace
}  // namespace transept
