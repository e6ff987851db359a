#include "server/worker_pool.h"

#include <utility>

namespace transept::server {

WorkerPool::WorkerPool(int threads, size_t max_pending) : max_pending_(max_pending) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::TryAdd(Task task) {
  {
    const std::lock_guard lock(mu_);
    if (pending_.size() >= max_pending_) return false;
    pending_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void WorkerPool::Add(Task task) {
  {
    const std::lock_guard lock(mu_);
    admitted_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void WorkerPool::Run() {
  std::unique_lock lock(mu_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !admitted_.empty() || !pending_.empty(); });
    std::deque<Task>& queue = admitted_.empty() ? pending_ : admitted_;
    if (queue.empty()) return;
    {
      Task task = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      task();
    }  // The task's captures go before the lock is taken again.
    lock.lock();
  }
}

}  // namespace transept::server
