// What the scheduler hands back for a request's sink.
#pragma once

#include <cstdint>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "engine/types/request.h"
#include "engine/types/result.h"

namespace transept {

// Tokens appended to one hypothesis.
struct TokenDelta {
  int32_t hypothesis = 0;
  absl::InlinedVector<GeneratedToken, 1> tokens;  // never empty
};

// One event of a request. In order: any number of TokenDeltas, then one end, which is a result or
// why there is none.
struct Delivery {
  RequestId request = 0;
  std::variant<TokenDelta, absl::StatusOr<Result>> event;
};

}  // namespace transept
