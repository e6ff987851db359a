#include "tests/bench/mixed_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace transept::bench {
namespace {

using testing::DoubleNear;

TEST(DrawArrivals, IsAPoissonProcessOfItsRate) {
  constexpr int kCount = 40000;
  constexpr double kRate = 50;
  const std::vector<Arrival> arrivals = DrawArrivals(kCount, kRate, 7);
  double last = 0;
  double square = 0;
  int short_gaps = 0;
  for (const Arrival& arrival : arrivals) {
    const double gap = (arrival.at - last) * kRate;
    ASSERT_GE(gap, 0);
    square += gap * gap;
    short_gaps += gap < std::log(2.0);
    last = arrival.at;
  }
  // Of an exponential gap with mean 1: mean 1, mean square 2, median ln 2. Bounds of 5 deviations.
  const double root = std::sqrt(kCount);
  EXPECT_THAT(last * kRate / kCount, DoubleNear(1, 5 / root));
  EXPECT_THAT(square / kCount, DoubleNear(2, 5 * std::sqrt(20) / root));
  EXPECT_THAT(short_gaps / double{kCount}, DoubleNear(0.5, 5 * 0.5 / root));
}

TEST(DrawArrivals, DrawsLengthsFromTheWholeRanges) {
  const std::vector<Arrival> arrivals = DrawArrivals(20000, 1, 3);
  const auto [least, most] = std::minmax_element(
      arrivals.begin(), arrivals.end(),
      [](const Arrival& a, const Arrival& b) { return a.source_tokens < b.source_tokens; });
  EXPECT_EQ(least->source_tokens, kMinSourceTokens);
  EXPECT_EQ(most->source_tokens, kMaxSourceTokens);
  const auto [shortest, longest] = std::minmax_element(
      arrivals.begin(), arrivals.end(),
      [](const Arrival& a, const Arrival& b) { return a.new_tokens < b.new_tokens; });
  EXPECT_EQ(shortest->new_tokens, kMinNewTokens);
  EXPECT_EQ(longest->new_tokens, kMaxNewTokens);
}

TEST(DrawArrivals, SeedDecidesAllAndRateScalesTimeOnly) {
  const std::vector<Arrival> once = DrawArrivals(100, 2, 5);
  const std::vector<Arrival> twice = DrawArrivals(100, 4, 5);
  const std::vector<Arrival> other = DrawArrivals(100, 2, 6);
  bool differs = false;
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_DOUBLE_EQ(once[i].at, 2 * twice[i].at);
    EXPECT_EQ(once[i].source_tokens, twice[i].source_tokens);
    EXPECT_EQ(once[i].new_tokens, twice[i].new_tokens);
    differs = differs || once[i].source_tokens != other[i].source_tokens;
  }
  EXPECT_TRUE(differs);
}

TEST(DrawArrivals, InfiniteRateHasAllAtOnce) {
  for (const Arrival& arrival : DrawArrivals(10, std::numeric_limits<double>::infinity(), 1)) {
    EXPECT_EQ(arrival.at, 0);
  }
}

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(Percentile({3}, 0.5), 3);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.5), 2);
  EXPECT_EQ(Percentile({5, 4, 1, 3, 2}, 0.5), 3);
  std::vector<double> hundred(100);
  for (int i = 0; i < 100; ++i) hundred[i] = 100 - i;
  EXPECT_EQ(Percentile(hundred, 0.99), 99);
  EXPECT_EQ(Percentile(hundred, 1), 100);
  EXPECT_EQ(Percentile(hundred, 0.001), 1);
}

TEST(AddInterTokenMs, DividesGapsByTheTokensThatEndThem) {
  std::vector<double> gaps_ms = {7};
  AddInterTokenMs({.deliveries = {{1, 5}, {1.5, 1}, {2, 4}}}, &gaps_ms);
  AddInterTokenMs({.deliveries = {{1, 5}}}, &gaps_ms);
  AddInterTokenMs({}, &gaps_ms);
  EXPECT_THAT(gaps_ms, testing::ElementsAre(7, 500, 125));
}

// Arrives at `arrival`, its first token takes `wait`, two more come together 0.2 s later.
Outcome Served(double arrival, double wait) {
  return {.arrival = arrival,
          .deliveries = {{arrival + wait, 1}, {arrival + wait + 0.2, 2}},
          .finish = arrival + wait + 0.2};
}

TEST(Summarize, CountsBetweenTheSettlingRequests) {
  // One arrives each second. Those at either end are slow to begin, and do not count.
  std::vector<Outcome> outcomes = {Served(0, 0.7)};
  for (int i = 1; i <= 4; ++i) outcomes.push_back(Served(i, 0.1 * i));
  outcomes.push_back(Served(5, 0.7));
  const absl::StatusOr<LoadFigures> figures = Summarize(outcomes, 1);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_DOUBLE_EQ(figures->offered_per_s, 1);
  // From the end at 1.3 to that at 4.6 three more ended, with three tokens each.
  EXPECT_DOUBLE_EQ(figures->completed_per_s, 3 / 3.3);
  EXPECT_DOUBLE_EQ(figures->tokens_per_s, 9 / 3.3);
  EXPECT_NEAR(figures->first_token_p50_ms, 200, 1e-6);
  EXPECT_NEAR(figures->first_token_p99_ms, 400, 1e-6);
  EXPECT_NEAR(figures->inter_token_p50_ms, 100, 1e-6);
  EXPECT_NEAR(figures->inter_token_p99_ms, 100, 1e-6);
  EXPECT_EQ(figures->rejected, 0);
}

TEST(Summarize, RejectedRequestsAreCountedAndNothingElse) {
  std::vector<Outcome> outcomes = {Served(0, 0.1), Served(1, 0.1), Served(2, 0.1), Served(3, 0.1)};
  Outcome rejected;
  rejected.arrival = 1.5;
  rejected.rejected = true;
  outcomes.insert(outcomes.begin() + 2, rejected);
  const absl::StatusOr<LoadFigures> figures = Summarize(outcomes, 0);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->rejected, 1);
  EXPECT_DOUBLE_EQ(figures->completed_per_s, 1);
  EXPECT_DOUBLE_EQ(figures->offered_per_s, 4 / 3.0);
  EXPECT_NEAR(figures->first_token_p99_ms, 100, 1e-6);
}

TEST(Summarize, TooFewServedRequestsAreAnError) {
  const std::vector<Outcome> outcomes = {Served(0, 1), Served(1, 1), Served(2, 1)};
  EXPECT_TRUE(absl::IsOutOfRange(Summarize(outcomes, 1).status()));
  EXPECT_TRUE(absl::IsOutOfRange(Summarize({}, 0).status()));
}

}  // namespace
}  // namespace transept::bench
