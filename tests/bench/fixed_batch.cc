#include "tests/bench/fixed_batch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/bench/countdown.h"

namespace transept::bench {
namespace {

class CountdownSink final : public ResultSink {
 public:
  explicit CountdownSink(Countdown* countdown) : countdown_(*countdown) {}
  void OnTokens(int, absl::Span<const GeneratedToken>) override {}
  void OnFinish(absl::StatusOr<Result> result) override { countdown_.Done(result.status()); }

 private:
  Countdown& countdown_;
};

// Sources differ from run to run, so that none is found in the source cache.
absl::StatusOr<BatchTimes> RunBatch(const Workload& workload, int batch, Engine* engine,
                                    std::mt19937* random) {
  std::vector<Request> requests;
  for (int i = 0; i < batch; ++i) {
    requests.push_back(
        RandomRequest(workload.model, workload.source_tokens, workload.new_tokens, random));
    requests.back().params.num_beams = workload.num_beams;
  }
  Countdown countdown(batch);
  const EngineStats before = engine->Stats();
  const TimePoint start = Clock::now();
  for (Request& request : requests) {
    const absl::StatusOr<RequestId> id =
        engine->Submit(std::move(request), std::make_shared<CountdownSink>(&countdown));
    if (!id.ok()) countdown.Done(id.status());
  }
  if (absl::Status status = countdown.Wait(); !status.ok()) return status;
  const double total_ms = Milliseconds(Clock::now() - start);
  const EngineStats after = engine->Stats();
  return BatchTimes{.total_ms = total_ms,
                    .encoder_ms = after.encode_ms - before.encode_ms,
                    .outside_steps_ms = total_ms - (after.step_ms - before.step_ms)};
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
