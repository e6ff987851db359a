// Puts a mixed load on an engine as it would come from many clients that do not wait for each
// other.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "tests/bench/mixed_load.h"

namespace transept::bench {

struct LoadOptions {
  double rate = 0;   // requests a second; infinite: all at once
  int requests = 0;  // that count
  int settle = 0;    // that do not count, before and after them
  uint32_t seed = 1;
};

// Returns when all requests have ended. An error if one ended with any, but for those that Submit
// refused because the queue was full.
absl::StatusOr<LoadFigures> RunLoad(const LoadOptions& options, Engine* engine);

}  // namespace transept::bench
