#include "server/call_log.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "spdlog/spdlog.h"
#include "transept/v1/transept.pb.h"

namespace transept::server {
namespace {

spdlog::level::level_enum LevelOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK: return spdlog::level::debug;
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::FAILED_PRECONDITION: return spdlog::level::info;
    default: return spdlog::level::warn;
  }
}

// A value that is not one plain word stands in quotes, with escapes.
void Append(const char* key, std::string_view value, std::string* line) {
  if (value.empty()) return;
  const bool plain = std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return absl::ascii_isgraph(c) && c != '"' && c != '\\' && c != '=';
  });
  const absl::string_view text(value.data(), value.size());
  if (plain) {
    absl::StrAppend(line, " ", key, "=", text);
  } else {
    const std::string escaped = absl::Utf8SafeCHexEscape(text);
    absl::StrAppend(line, " ", key, "=\"", absl::StrReplaceAll(escaped, {{"\\'", "'"}}), "\"");
  }
}

std::string LineOf(const EndedCall& call, const grpc::Status& status, int64_t left_out) {
  std::string line = "call";
  Append("method", call.method, &line);
  Append("request_id", call.request_id, &line);
  Append("model", call.model, &line);
  // gRPC's codes are absl's.
  Append("code", absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())),
         &line);
  if (call.usage != nullptr) {
    absl::StrAppend(&line, " source_tokens=", call.usage->source_tokens(),
                    " generated_tokens=", call.usage->generated_tokens());
    if (const int scored = call.usage->scored_tokens(); scored > 0) {
      absl::StrAppend(&line, " scored_tokens=", scored);
    }
  }
  if (call.timings != nullptr)
    absl::StrAppendFormat(&line, " queue_ms=%.1f", call.timings->queue_ms());
  if (call.total_ms) absl::StrAppendFormat(&line, " total_ms=%.1f", *call.total_ms);
  Append("message", status.error_message(), &line);
  if (left_out > 0) absl::StrAppend(&line, " failures_left_out=", left_out);
  return line;
}

}  // namespace

void CallLog::Write(const EndedCall& call, const grpc::Status& status, TimePoint now) {
  spdlog::logger* const logger = spdlog::default_logger_raw();
  const spdlog::level::level_enum level = LevelOf(status.error_code());
  if (!logger->should_log(level)) return;
  int64_t left_out = 0;
  if (!logger->should_log(spdlog::level::debug)) {
    const std::optional<int64_t> admitted = Admit(now);
    if (!admitted) return;
    left_out = *admitted;
  }
  logger->log(level, LineOf(call, status, left_out));
}

std::optional<int64_t> CallLog::Admit(TimePoint now) {
  const std::lock_guard lock(mu_);
  if (!second_ || now - *second_ >= std::chrono::seconds(1)) {
    second_ = now;
    written_ = 0;
  }
  if (written_ == kFailuresPerSecond) {
    ++left_out_;
    return std::nullopt;
  }
  ++written_;
  return std::exchange(left_out_, 0);
}

}  // namespace transept::server
