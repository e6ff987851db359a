// Calls to one server: deadline, retries, and what a failure means to the user.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace transept::client {

// The program's exit codes; Usage() documents them.
enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2, kUnavailable = 3, kFileError = 4 };

// What a call's final status means for the exit code.
ExitCode ExitCodeOf(const grpc::Status& status);

// Whether the server can't be reached or is about to go, as far as the call could tell.
bool IsAway(const grpc::Status& status);

// "INVALID_ARGUMENT: ..." with the request fields at fault, from the google.rpc details.
std::string Describe(const grpc::Status& status);

// The name of a status code, such as "UNAVAILABLE".
std::string CodeName(grpc::StatusCode code);

// Thread-safe.
class Connection {
 public:
  struct Options {
    std::chrono::milliseconds timeout{0};  // of one Call, its retries included; 0 = none
    int retries = 0;                       // after UNAVAILABLE and RESOURCE_EXHAUSTED
  };

  Connection(std::shared_ptr<grpc::Channel> channel, Options options)
      : channel_(std::move(channel)), options_(options) {}

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Runs `attempt` with a fresh context, and again after a pause while the server is busy or away.
  // The pause grows from 0.1 s and is never shorter than the server's RetryInfo. `attempt` sets
  // `*final` when its failure must not be retried, because part of the answer is already out.
  grpc::Status Call(
      const std::function<grpc::Status(grpc::ClientContext*, bool* final)>& attempt) const;

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const Options options_;
};

}  // namespace transept::client
