// A batch of equal requests that begin together.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "tests/bench/workloads.h"

namespace transept::bench {

struct BatchTimes {
  double total_ms = 0;
  double encoder_ms = 0;
  double outside_steps_ms = 0;  // total less the runner's steps: scheduling and delivery
  // Percentiles of the times between deliveries of a request, a token, for some of the requests. A
  // beam search may have none.
  std::optional<double> inter_token_p50_ms = std::nullopt;
  std::optional<double> inter_token_p99_ms = std::nullopt;
};

// Submits `batch` requests at once and waits for the last, `runs` >= 1 times after one that warms
// up. Returns the median run by total_ms.
absl::StatusOr<BatchTimes> RunBatches(const Workload& workload, int batch, int runs,
                                      Engine* engine);

}  // namespace transept::bench
