// Fork-join threads for the CPU kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace transept::kernels::cpu {

// A fixed set of threads that run one parallel loop at a time. The calling thread takes part, so a
// pool of size 1 has no thread of its own. ParallelFor may be called from one thread at a time.
class ThreadPool {
 public:
  // size >= 1: threads that take part in a loop, the caller included.
  explicit ThreadPool(int size);
  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls fn(begin, end) on disjoint ranges that cover [0, count), each at least `grain` long but
  // for the last, and returns when all have ended. `fn` must not throw.
  void ParallelFor(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& fn);

 private:
  struct Shared;
  const int size_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace transept::kernels::cpu
