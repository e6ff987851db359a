// absl::Status values that carry what the gRPC edge turns into error details: the field at fault,
// and when to try again.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace transept {

// INVALID_ARGUMENT about one request field. `field` is its path in GenerateRequest, such as
// "options.temperature"; `message` says value and limit.
absl::Status FieldError(std::string_view field, std::string_view message);

// The path that FieldError stored, or nullopt.
std::optional<std::string> FieldOf(const absl::Status& status);

// `status` with the advice to try again after `delay`.
absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds delay);
std::optional<std::chrono::milliseconds> RetryAfterOf(const absl::Status& status);

}  // namespace transept
