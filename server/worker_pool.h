// Threads for work that must not run on a gRPC callback thread: tokenizing, detokenizing, building
// messages.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace transept::server {

// Thread-safe. Tasks of Add start in the order they were added, and so do those of TryAdd; where
// both wait, 16 of Add before one of TryAdd: what running requests still need before what a new one
// asks for. So streams for which the threads are too slow get fewer and larger messages, instead of
// taking all of the threads and keeping new requests from the engine.
class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  // `threads` >= 1; with two, one client's long text does not hold up the others. At most
  // `max_pending` (>= 0) tasks of TryAdd wait.
  WorkerPool(int threads, size_t max_pending);
  // Runs what is waiting, then ends the threads. No task may be added any more, except by a task.
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Work of a new call. False, with `task` dropped, if as many wait as may.
  [[nodiscard]] bool TryAdd(Task task);

  // Work of a call that has been admitted: never refused. Callers bound it themselves, by having at
  // most a few tasks for each call.
  void Add(Task task);

 private:
  static constexpr int kMostPassedOver = 16;

  void Run();
  // The next task; there is one. Under mu_.
  Task Take();
  // Whether a thread must be woken for a task that has been added. Who has been woken wakes the
  // next one if there is more to do, so that a burst of tasks costs the engine one wake-up and not
  // one each. Under mu_.
  bool MustWake();

  const size_t max_pending_;
  std::mutex mu_;
  std::condition_variable wake_;
  std::deque<Task> admitted_;  // guarded by mu_
  std::deque<Task> pending_;   // guarded by mu_
  int passed_over_ = 0;    // tasks of Add since the first of pending_ could start; guarded by mu_
  bool stopping_ = false;  // guarded by mu_
  int sleeping_ = 0;       // threads that wait; guarded by mu_
  bool waking_ = false;    // one of them has been woken and is not up yet; guarded by mu_
  std::vector<std::thread> threads_;  // last: the threads use the members above
};

}  // namespace transept::server
