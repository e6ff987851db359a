// An open-loop load of mixed lengths: what arrives when, and the figures of what came of it. Plain
// arithmetic, no engine and no clock.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace transept::bench {

// The lengths of the load, each drawn evenly from a range.
inline constexpr int32_t kMinSourceTokens = 16;
inline constexpr int32_t kMaxSourceTokens = 512;
inline constexpr int32_t kMinNewTokens = 8;
inline constexpr int32_t kMaxNewTokens = 256;

struct Arrival {
  double at = 0;  // seconds from the start
  int32_t source_tokens = 0;
  int32_t new_tokens = 0;
};

// A Poisson process of `rate` > 0 arrivals a second, in order; an infinite rate has all arrive at
// 0. Equal seeds draw equal lengths, and equal gaps but for the rate.
std::vector<Arrival> DrawArrivals(int count, double rate, uint32_t seed);

// What became of one request. Times are seconds from the start.
struct Outcome {
  struct Delivery {
    double at = 0;
    int32_t tokens = 0;
  };

  double arrival = 0;  // as drawn: a late submission counts as waiting
  bool rejected = false;
  std::vector<Delivery> deliveries;
  double finish = 0;
};

struct LoadFigures {
  double offered_per_s = 0;    // requests that arrived; infinite if all came at once
  double completed_per_s = 0;  // requests that ended
  double tokens_per_s = 0;     // generated
  double first_token_p50_ms = 0;
  double first_token_p99_ms = 0;
  double inter_token_p50_ms = 0;  // between deliveries of a request, a token
  double inter_token_p99_ms = 0;
  int rejected = 0;  // of all requests
};

// The smallest of `values` that at least the fraction `p` in (0, 1] of them does not exceed.
// `values` must not be empty.
double Percentile(std::vector<double> values, double p);

// Adds the times between the deliveries of a request, each divided by the tokens that it ended
// with.
void AddInterTokenMs(const Outcome& outcome, std::vector<double>* gaps_ms);

// `outcomes` in the order of arrival, the first and the last `settle` of which are there to keep
// the engine as busy as it is in between: latencies are those of the requests between, and rates
// count from the end of as many requests to when as many are left. OUT_OF_RANGE if too few were
// served.
absl::StatusOr<LoadFigures> Summarize(const std::vector<Outcome>& outcomes, int settle);

}  // namespace transept::bench
