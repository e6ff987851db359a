#include "server/status_mapping.h"

#include <chrono>
#include <optional>
#include <string>

#include <grpcpp/server_context.h>
#include <grpcpp/support/error_details.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/types/errors.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "spdlog/spdlog.h"

namespace transept::server {
namespace {

// Details and message travel in the trailers, for which clients reserve 8 KiB by default.
constexpr size_t kMaxMessageBytes = 1024;

// `text` up to the limit, cut between characters.
std::string Shortened(absl::string_view text) {
  if (text.size() <= kMaxMessageBytes) return std::string(text);
  size_t end = kMaxMessageBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

// ErrorInfo.reason; null for the codes that say all themselves.
const char* Reason(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return FieldOf(status).has_value() ? "INVALID_FIELD" : "INVALID_REQUEST";
    case absl::StatusCode::kNotFound: return "MODEL_NOT_FOUND";
    case absl::StatusCode::kFailedPrecondition: return "UNSUPPORTED_BY_MODEL";
    case absl::StatusCode::kResourceExhausted:
      return RetryAfterOf(status).has_value() ? "OVERLOADED" : "LIMIT_EXCEEDED";
    case absl::StatusCode::kUnavailable: return "UNAVAILABLE";
    case absl::StatusCode::kInternal: return "INTERNAL";
    default: return nullptr;
  }
}

bool InContract(const absl::Status& status) {
  return absl::IsCancelled(status) || absl::IsDeadlineExceeded(status) ||
         (!absl::IsInternal(status) && Reason(status) != nullptr);
}

// A FieldError's message without the field in front of it.
absl::string_view WithoutField(absl::string_view message, absl::string_view field) {
  absl::ConsumePrefix(&message, absl::StrCat(field, ": "));
  return message;
}

absl::Status HideInternal(const absl::Status& status, absl::string_view request_id) {
  if (InContract(status)) return status;
  spdlog::error("request {}: {}", std::string(request_id), status.ToString());
  return absl::InternalError(
      absl::StrCat("internal error; the server's log tells more of request ", request_id));
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& original, std::string_view id,
                          grpc::ServerContextBase* context) {
  if (original.ok()) return grpc::Status::OK;
  const absl::string_view request_id(id.data(), id.size());
  const absl::Status status = HideInternal(original, request_id);
  const std::optional<std::chrono::milliseconds> retry = RetryAfterOf(status);

  google::rpc::Status message;
  message.set_code(static_cast<int>(status.code()));
  message.set_message(Shortened(status.message()));
  if (const char* reason = Reason(status)) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain("transept");
    (*info.mutable_metadata())["request_id"] = std::string(request_id);
    message.add_details()->PackFrom(info);
  }
  if (const std::optional<std::string> field = FieldOf(status)) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(Shortened(*field));
    violation->set_description(std::string(WithoutField(message.message(), *field)));
    message.add_details()->PackFrom(bad_request);
  }
  if (retry.has_value()) {
    google::rpc::RetryInfo info;
    info.mutable_retry_delay()->set_seconds(retry->count() / 1000);
    info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(retry->count() % 1000) * 1'000'000);
    message.add_details()->PackFrom(info);
    context->AddTrailingMetadata("grpc-retry-pushback-ms", absl::StrCat(retry->count()));
  }
  grpc::Status result;
  grpc::SetErrorDetails(message, &result);
  return result;
}

}  // namespace transept::server
