// Fork-join threads for the CPU kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace transept::kernels::cpu {

// A fixed set of threads that run one parallel loop at a time. The calling thread takes part, so a
// pool of size 1 has no thread of its own. ParallelFor may be called from one thread at a time, and
// not from within a loop.
//
// Between loops the threads spin for some tens of microseconds, so that a chain of loops costs
// little, and then sleep. A pool larger than the machine never spins.
class ThreadPool {
 public:
  // size >= 1: threads that take part in a loop, the caller included.
  explicit ThreadPool(int size);
  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls fn(begin, end) or fn(begin, end, worker) on disjoint ranges that cover [0, count), each a
  // multiple of `grain` long but for the last, and returns when all have ended. `worker` is in
  // [0, size()) and no two calls that run at the same time have the same. Threads take ranges as
  // they become free: which of them runs a range is not defined. `fn` must not throw. Never
  // allocates.
  template <typename Function>
  void ParallelFor(int64_t count, int64_t grain, const Function& fn) {
    Run(count, grain,
        {&fn, [](const void* context, int64_t begin, int64_t end, int worker) {
           const Function& function = *static_cast<const Function*>(context);
           if constexpr (std::is_invocable_v<const Function&, int64_t, int64_t, int>) {
             function(begin, end, worker);
           } else {
             function(begin, end);
           }
         }});
  }

 private:
  struct Body {
    const void* context;
    void (*call)(const void* context, int64_t begin, int64_t end, int worker);
  };
  struct Shared;

  void Run(int64_t count, int64_t grain, Body body);

  const int size_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace transept::kernels::cpu
