// A line of the log for each call that has ended.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "engine/types/clock.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace transept::v1 {
class Timings;
class Usage;
}  // namespace transept::v1

namespace transept::server {

// What there is to tell of a call; empty and null: not known.
struct EndedCall {
  std::string_view method;  // such as "Generate"
  std::string_view request_id = {};
  std::string_view model = {};
  std::optional<double> total_ms = std::nullopt;
  const v1::Usage* usage = nullptr;
  const v1::Timings* timings = nullptr;
};

// Lines of "call method=Generate request_id=... code=OK ...": calls that succeeded at level debug,
// those that failed by their client's doing at info and the others at warn. Of failures at most
// kFailuresPerSecond are written in a second, so that a flood of them costs neither time nor disk;
// the next line says how many were left out. With debug on, all are written. Thread-safe.
class CallLog {
 public:
  static constexpr int kFailuresPerSecond = 10;

  void Write(const EndedCall& call, const grpc::Status& status, TimePoint now = Clock::now());

 private:
  // Whether one more failure may be written; if so, how many were left out before it.
  std::optional<int64_t> Admit(TimePoint now);

  std::mutex mu_;
  // Guarded by mu_.
  std::optional<TimePoint> second_;  // when the current second began
  int written_ = 0;                  // in it
  int64_t left_out_ = 0;             // since the last line
};

}  // namespace transept::server
