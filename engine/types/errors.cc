#include "engine/types/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace transept {
namespace {

constexpr char kFieldUrl[] = "transept/field";
constexpr char kRetryAfterUrl[] = "transept/retry-after-ms";

}  // namespace

absl::Status FieldError(std::string_view field, std::string_view message) {
  const absl::string_view name(field.data(), field.size());
  absl::Status status = absl::InvalidArgumentError(
      absl::StrCat(name, ": ", absl::string_view(message.data(), message.size())));
  status.SetPayload(kFieldUrl, absl::Cord(name));
  return status;
}

std::optional<std::string> FieldOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kFieldUrl);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds delay) {
  status.SetPayload(kRetryAfterUrl, absl::Cord(absl::StrCat(delay.count())));
  return status;
}

std::optional<std::chrono::milliseconds> RetryAfterOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterUrl);
  int64_t milliseconds = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace transept
