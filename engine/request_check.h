// What can be said of a request before it is queued.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/types/model_spec.h"
#include "engine/types/request.h"

namespace transept {

struct RequestLimits {
  int32_t vocab_size = 0;  // of the target
  int32_t source_vocab_size = 0;
  int32_t max_source_tokens = 0;  // the server's limit and the model's, whichever is lower
  int32_t max_prefix_tokens = 0;  // target prefix
  int32_t max_scored_tokens = 0;  // of each target
  int32_t max_new_tokens = 0;
};

// OK, or a FieldError that names field, value and limit.
absl::Status CheckRequest(const Request& request, const RequestLimits& limits);

}  // namespace transept
