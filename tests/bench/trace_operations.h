// A step's operations on a timeline, measured one by one.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/engine_options.h"
#include "tests/bench/trace.h"

namespace transept::bench {

struct StepShape {
  int32_t rows = 0;
  int32_t source_tokens = 0;  // of each row's source
  int32_t position = 0;       // of the token that each row is fed
};

// Adds an encoder batch, of as many of the sources as a step encodes, and a decoder step of all
// rows: each operation's median of a few runs. Loads the model again for it, so that no engine
// should have it on the device any more.
absl::Status TraceOperations(const EngineOptions& options, const Checkpoint& checkpoint,
                             const StepShape& shape, Timeline* timeline);

}  // namespace transept::bench
