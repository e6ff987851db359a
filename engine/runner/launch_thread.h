// Launching on a GPU beside its owner, whom hundreds of kernels would keep from other work.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

namespace transept {

// A thread that launches one piece of work at a time. Used by one thread.
class LaunchThread {
 public:
  using Work = absl::AnyInvocable<void()>;

  LaunchThread();
  // Awaits the work.
  ~LaunchThread();

  LaunchThread(const LaunchThread&) = delete;
  LaunchThread& operator=(const LaunchThread&) = delete;

  // Returns at once. REQUIRES: done().
  void Start(Work work);
  // Whether all work has returned; what it wrote can be read then.
  bool done() const;
  // Until done().
  void Await();

 private:
  void Run();

  mutable std::mutex mu_;
  std::condition_variable changed_;  // work_ was set or cleared, or stopping_ set
  Work work_;                        // guarded by mu_; null = none
  bool stopping_ = false;            // guarded by mu_
  std::thread thread_;               // last: runs on all of the above
};

}  // namespace transept
