// How the process ends: SIGTERM and SIGINT.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>

namespace transept::server {

// Receives the two signals on a thread of its own. The first one is a request to end in good order,
// the second one ends the process at once, with status 128 + signal; so does the first one until
// KeepSignal or WaitForSignal is called. Those that follow one another within kSameSignal are one:
// coreutils' `timeout`, for one, signals its child and then the child's group.
class Termination {
 public:
  static constexpr std::chrono::milliseconds kSameSignal{50};

  // Blocks the signals in the calling thread. To be constructed before any other thread, since
  // threads inherit this; at most one object at a time.
  Termination();
  ~Termination();

  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  // From here on there is something to end in good order: the first signal is kept for
  // WaitForSignal.
  void KeepSignal();
  // Waits for the first signal, up to `limit`. Whether there was one.
  bool WaitForSignal(std::chrono::milliseconds limit);

  // Ends the process with status 1 if this object still lives after `limit`.
  void ExitAfter(std::chrono::milliseconds limit);

 private:
  using Clock = std::chrono::steady_clock;
  void Run();
  void Handle(int signal);

  sigset_t signals_;
  std::mutex mu_;
  std::condition_variable signalled_;
  bool keeps_signal_ = false;                   // guarded by mu_
  bool got_signal_ = false;                     // guarded by mu_
  std::optional<Clock::time_point> exit_time_;  // guarded by mu_
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace transept::server
