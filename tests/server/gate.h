// Holds threads until a test lets them go.
#pragma once

#include <condition_variable>
#include <mutex>

namespace transept::server {

class Gate {
 public:
  void Wait() {
    std::unique_lock lock(mu_);
    ++waiters_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }

  void Open() {
    const std::lock_guard lock(mu_);
    open_ = true;
    changed_.notify_all();
  }

  // Returns once `count` threads have come, whether they still wait or not.
  void AwaitWaiters(int count) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return waiters_ >= count; });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int waiters_ = 0;
  bool open_ = false;
};

}  // namespace transept::server
