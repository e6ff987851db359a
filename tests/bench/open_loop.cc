#include "tests/bench/open_loop.h"

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/countdown.h"
#include "tests/bench/outcome_sink.h"
#include "tests/bench/workloads.h"

namespace transept::bench {

absl::StatusOr<LoadFigures> RunLoad(const LoadOptions& options, Engine* engine) {
  const int count = options.requests + 2 * options.settle;
  const std::vector<Arrival> arrivals = DrawArrivals(count, options.rate, options.seed);
  std::mt19937 random(options.seed);
  std::vector<Request> requests;
  std::vector<Outcome> outcomes(count);
  for (int i = 0; i < count; ++i) {
    const Arrival& arrival = arrivals[i];
    requests.push_back(
        RandomRequest(engine->spec(), arrival.source_tokens, arrival.new_tokens, &random));
    outcomes[i].arrival = arrival.at;
    outcomes[i].deliveries.reserve(arrival.new_tokens);
  }
  Countdown countdown(count);
  const TimePoint start = Clock::now();
  for (int i = 0; i < count; ++i) {
    std::this_thread::sleep_until(start + std::chrono::duration<double>(arrivals[i].at));
    const absl::StatusOr<RequestId> id = engine->Submit(
        std::move(requests[i]), std::make_shared<OutcomeSink>(start, &outcomes[i], &countdown));
    if (id.ok()) continue;
    outcomes[i].rejected = absl::IsResourceExhausted(id.status());
    countdown.Done(outcomes[i].rejected ? absl::OkStatus() : id.status());
  }
  if (absl::Status status = countdown.Wait(); !status.ok()) return status;
  return Summarize(outcomes, options.settle);
}

}  // namespace transept::bench
