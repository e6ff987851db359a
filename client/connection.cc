#include "client/connection.h"

#include <algorithm>
#include <optional>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace transept::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5000};

// The first google.rpc detail of type T.
template <typename T>
std::optional<T> DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& detail : details.details()) {
    T message;
    if (detail.Is<T>() && detail.UnpackTo(&message)) return message;
  }
  return std::nullopt;
}

bool MayRetry(const grpc::Status& status) {
  if (IsAway(status)) return true;
  // Without RetryInfo the server means that the request could never fit it.
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
         DetailOf<google::rpc::RetryInfo>(status).has_value();
}

// Up to a quarter more than asked for, so that clients turned away together do not return together.
milliseconds Jittered(milliseconds pause) {
  std::minstd_rand random(std::random_device{}());
  return pause + milliseconds(random() % (pause.count() / 4 + 1));
}

milliseconds PauseBefore(int retry, const grpc::Status& status) {
  milliseconds pause = std::min(kFirstPause * (1 << std::min(retry, 10)), kLongestPause);
  if (const auto info = DetailOf<google::rpc::RetryInfo>(status)) {
    const milliseconds asked{info->retry_delay().seconds() * 1000 +
                             info->retry_delay().nanos() / 1'000'000};
    pause = std::max(pause, asked);
  }
  return Jittered(pause);
}

}  // namespace

ExitCode ExitCodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK: return kOk;
    default: return MayRetry(status) ? kUnavailable : kFailed;
  }
}

bool IsAway(const grpc::Status& status) {
  // This client cancels nothing: gRPC resets calls that reach a server in its last moments.
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::CANCELLED;
}

std::string CodeName(grpc::StatusCode code) {
  constexpr const char* kNames[] = {"OK",
                                    "CANCELLED",
                                    "UNKNOWN",
                                    "INVALID_ARGUMENT",
                                    "DEADLINE_EXCEEDED",
                                    "NOT_FOUND",
                                    "ALREADY_EXISTS",
                                    "PERMISSION_DENIED",
                                    "RESOURCE_EXHAUSTED",
                                    "FAILED_PRECONDITION",
                                    "ABORTED",
                                    "OUT_OF_RANGE",
                                    "UNIMPLEMENTED",
                                    "INTERNAL",
                                    "UNAVAILABLE",
                                    "DATA_LOSS",
                                    "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : absl::StrCat("code ", index);
}

std::string Describe(const grpc::Status& status) {
  std::string text = absl::StrCat(CodeName(status.error_code()), ": ", status.error_message());
  if (const auto request = DetailOf<google::rpc::BadRequest>(status)) {
    for (const auto& violation : request->field_violations()) {
      if (absl::StrContains(status.error_message(), violation.field())) continue;
      absl::StrAppend(&text, "\n  ", violation.field(), ": ", violation.description());
    }
  }
  return text;
}

grpc::Status Connection::Call(
    const std::function<grpc::Status(grpc::ClientContext*, bool* final)>& attempt) const {
  using Clock = std::chrono::system_clock;
  const bool limited = options_.timeout > milliseconds::zero();
  const Clock::time_point deadline = Clock::now() + options_.timeout;
  for (int retry = 0;; ++retry) {
    grpc::ClientContext context;
    if (limited) context.set_deadline(deadline);
    bool final = false;
    grpc::Status status = attempt(&context, &final);
    if (status.ok() || final || retry >= options_.retries || !MayRetry(status)) return status;
    const milliseconds pause = PauseBefore(retry, status);
    if (limited && Clock::now() + pause >= deadline) return status;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace transept::client
