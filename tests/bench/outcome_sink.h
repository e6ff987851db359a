// Notes when a request's tokens are delivered.
#pragma once

#include <chrono>
#include <cstdint>

#include "engine/types/clock.h"
#include "engine/types/result.h"
#include "tests/bench/countdown.h"
#include "tests/bench/mixed_load.h"

namespace transept::bench {

class OutcomeSink final : public ResultSink {
 public:
  // `outcome`, which may be null, and `countdown` must outlive the request. Times are seconds from
  // `start`.
  OutcomeSink(TimePoint start, Outcome* outcome, Countdown* countdown)
      : start_(start), outcome_(outcome), countdown_(*countdown) {}

  void OnTokens(int, absl::Span<const GeneratedToken> tokens) override {
    if (!outcome_) return;
    outcome_->deliveries.push_back({SinceStart(), static_cast<int32_t>(tokens.size())});
  }
  void OnFinish(absl::StatusOr<Result> result) override {
    if (outcome_) outcome_->finish = SinceStart();
    countdown_.Done(result.status());
  }

 private:
  double SinceStart() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  const TimePoint start_;
  Outcome* const outcome_;
  Countdown& countdown_;
};

}  // namespace transept::bench
