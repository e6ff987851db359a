#include "tests/bench/fixed_batch.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "tests/bench/countdown.h"
#include "tests/bench/mixed_load.h"
#include "tests/bench/outcome_sink.h"

namespace transept::bench {
namespace {

// Deliveries are noted of about so many requests, spread over the batch: reading the clock for each
// of 128 rows would take microseconds of a step.
constexpr int kNoted = 16;

// Sources differ from run to run, so that none is found in the source cache.
absl::StatusOr<BatchTimes> RunBatch(const Workload& workload, int batch, Engine* engine,
                                    std::mt19937* random) {
  std::vector<Request> requests;
  std::vector<Outcome> outcomes(batch);
  for (int i = 0; i < batch; ++i) {
    requests.push_back(
        RandomRequest(workload.model, workload.source_tokens, workload.new_tokens, random));
    requests.back().params.num_beams = workload.num_beams;
    outcomes[i].deliveries.reserve(workload.new_tokens);
  }
  Countdown countdown(batch);
  const EngineStats before = engine->Stats();
  const TimePoint start = Clock::now();
  for (int i = 0; i < batch; ++i) {
    Outcome* const noted = i % std::max(1, batch / kNoted) == 0 ? &outcomes[i] : nullptr;
    const absl::StatusOr<RequestId> id = engine->Submit(
        std::move(requests[i]), std::make_shared<OutcomeSink>(start, noted, &countdown));
    if (!id.ok()) countdown.Done(id.status());
  }
  if (absl::Status status = countdown.Wait(); !status.ok()) return status;
  const double total_ms = Milliseconds(Clock::now() - start);
  const EngineStats after = engine->Stats();
  BatchTimes times{.total_ms = total_ms,
                   .encoder_ms = after.encode_ms - before.encode_ms,
                   .outside_steps_ms = total_ms - (after.step_ms - before.step_ms)};
  std::vector<double> gaps_ms;
  for (const Outcome& outcome : outcomes) AddInterTokenMs(outcome, &gaps_ms);
  if (!gaps_ms.empty()) {
    times.inter_token_p50_ms = Percentile(gaps_ms, 0.5);
    times.inter_token_p99_ms = Percentile(gaps_ms, 0.99);
  }
  return times;
}

}  // namespace

absl::StatusOr<BatchTimes> RunBatches(const Workload& workload, int batch, int runs,
                                      Engine* engine) {
  std::mt19937 random(1);
  std::vector<BatchTimes> all;
  for (int i = 0; i <= runs; ++i) {
    const absl::StatusOr<BatchTimes> times = RunBatch(workload, batch, engine, &random);
    if (!times.ok()) return times.status();
    if (i > 0) all.push_back(*times);
  }
  std::sort(all.begin(), all.end(),
            [](const BatchTimes& a, const BatchTimes& b) { return a.total_ms < b.total_ms; });
  return all[all.size() / 2];
}

}  // namespace transept::bench
