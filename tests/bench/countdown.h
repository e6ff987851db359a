// Waits for the ends of many requests.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/status/status.h"

namespace transept::bench {

// Thread-safe. What happened before a Done is seen after the Wait.
class Countdown {
 public:
  // `count` >= 1 ends are to come.
  explicit Countdown(int count) : left_(count) {}

  void Done(const absl::Status& status) {
    const std::lock_guard lock(mu_);
    if (!status.ok()) status_ = status;
    if (--left_ == 0) done_.notify_one();
  }

  // Returns when all have ended: with an error, if any ended so.
  absl::Status Wait() {
    std::unique_lock lock(mu_);
    done_.wait(lock, [this] { return left_ == 0; });
    return status_;
  }

 private:
  std::mutex mu_;
  std::condition_variable done_;
  int left_;
  absl::Status status_;
};

}  // namespace transept::bench
