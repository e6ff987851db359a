#include "tests/bench/mixed_load.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"

namespace transept::bench {
namespace {

// The latencies of one request, added to those of others.
struct Latencies {
  std::vector<double> first_token_ms;
  std::vector<double> inter_token_ms;

  void Add(const Outcome& outcome) {
    if (outcome.rejected || outcome.deliveries.empty()) return;
    first_token_ms.push_back((outcome.deliveries.front().at - outcome.arrival) * 1e3);
    AddInterTokenMs(outcome, &inter_token_ms);
  }
};

int64_t TokensBetween(const std::vector<Outcome>& outcomes, double begin, double end) {
  int64_t tokens = 0;
  for (const Outcome& outcome : outcomes) {
    for (const Outcome::Delivery& delivery : outcome.deliveries) {
      if (delivery.at > begin && delivery.at <= end) tokens += delivery.tokens;
    }
  }
  return tokens;
}

}  // namespace

std::vector<Arrival> DrawArrivals(int count, double rate, uint32_t seed) {
  std::mt19937 random(seed);
  std::exponential_distribution<double> gap(1.0);
  std::uniform_int_distribution<int32_t> source(kMinSourceTokens, kMaxSourceTokens);
  std::uniform_int_distribution<int32_t> target(kMinNewTokens, kMaxNewTokens);
  std::vector<Arrival> arrivals(count);
  double at = 0;
  for (Arrival& arrival : arrivals) {
    at += gap(random) / rate;
    arrival.at = at;
    arrival.source_tokens = source(random);
    arrival.new_tokens = target(random);
  }
  return arrivals;
}

double Percentile(std::vector<double> values, double p) {
  const auto rank = static_cast<size_t>(std::ceil(p * static_cast<double>(values.size())));
  const auto found = values.begin() + (std::max<size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), found, values.end());
  return *found;
}

void AddInterTokenMs(const Outcome& outcome, std::vector<double>* gaps_ms) {
  const std::vector<Outcome::Delivery>& deliveries = outcome.deliveries;
  for (size_t i = 1; i < deliveries.size(); ++i) {
    const double gap_ms = (deliveries[i].at - deliveries[i - 1].at) * 1e3;
    gaps_ms->push_back(gap_ms / deliveries[i].tokens);
  }
}

absl::StatusOr<LoadFigures> Summarize(const std::vector<Outcome>& outcomes, int settle) {
  const int count = static_cast<int>(outcomes.size());
  LoadFigures figures;
  std::vector<double> finishes;
  Latencies latencies;
  for (int i = 0; i < count; ++i) {
    const Outcome& outcome = outcomes[i];
    figures.rejected += outcome.rejected;
    if (!outcome.rejected) finishes.push_back(outcome.finish);
    if (i >= settle && i < count - settle) latencies.Add(outcome);
  }
  const int served = static_cast<int>(finishes.size());
  if (served < 2 * settle + 2 || latencies.inter_token_ms.empty()) {
    return absl::OutOfRangeError(absl::StrCat("of ", count, " requests ", served,
                                              " were served, too few for figures with ", settle,
                                              " to settle before and after"));
  }
  std::sort(finishes.begin(), finishes.end());
  const double begin = finishes[settle];
  const double end = finishes[served - 1 - settle];
  const int between = served - 1 - 2 * settle;
  const double span = outcomes[count - 1 - settle].arrival - outcomes[settle].arrival;
  figures.offered_per_s = (count - 1 - 2 * settle) / span;
  figures.completed_per_s = between / (end - begin);
  figures.tokens_per_s = TokensBetween(outcomes, begin, end) / (end - begin);
  figures.first_token_p50_ms = Percentile(latencies.first_token_ms, 0.5);
  figures.first_token_p99_ms = Percentile(latencies.first_token_ms, 0.99);
  figures.inter_token_p50_ms = Percentile(latencies.inter_token_ms, 0.5);
  figures.inter_token_p99_ms = Percentile(latencies.inter_token_ms, 0.99);
  return figures;
}

}  // namespace transept::bench
