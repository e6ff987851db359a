// Keeps gRPC's callback threads from sleeping.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace grpc {
class Server;
}  // namespace grpc

namespace transept::server {

// A callback thread of gRPC that has had nothing to do for a second sleeps for 100 ms, deaf to what
// arrives; when all of them do, a call after a quiet second waits that long. So this calls the
// server's own health service every 250 ms, through an in-process channel: the thread that answered
// last is then always less than a second idle, and awake.
//
// It is a watchdog as well: a call that takes seconds means that something blocks the callback
// threads, and is logged.
class KeepAwake {
 public:
  // `server` must be running, with gRPC's default health service, and outlive this object.
  explicit KeepAwake(grpc::Server* server,
                     std::chrono::milliseconds period = std::chrono::milliseconds(250));
  ~KeepAwake();

  KeepAwake(const KeepAwake&) = delete;
  KeepAwake& operator=(const KeepAwake&) = delete;

 private:
  void Run(grpc::Server* server);

  const std::chrono::milliseconds period_;
  std::mutex mu_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace transept::server
