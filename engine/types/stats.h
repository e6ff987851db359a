// A snapshot of the engine's counters and gauges.
#pragma once

#include <cstdint>

namespace transept {

struct EngineStats {
  // Gauges.
  int64_t requests_waiting = 0;
  int64_t requests_running = 0;
  int64_t rows_running = 0;
  int64_t blocks_total = 0;
  int64_t blocks_used = 0;    // held by requests or the source cache
  int64_t blocks_cached = 0;  // of these, held by the source cache alone
  // Counters since start.
  uint64_t steps = 0;
  uint64_t requests_submitted = 0;
  uint64_t requests_finished = 0;  // with a result
  uint64_t requests_failed = 0;    // cancelled, expired or failed
  uint64_t requests_rejected = 0;  // refused by Submit
  uint64_t preemptions = 0;
  uint64_t source_tokens_encoded = 0;
  uint64_t sources_reused = 0;
  uint64_t tokens_generated = 0;
  double encode_ms = 0;  // in encoder runs
  double step_ms = 0;    // in all steps, encoder runs included
};

}  // namespace transept
