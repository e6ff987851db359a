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

bool WorkerPool::MustWake() {
  if (sleeping_ == 0 || waking_) return false;
  waking_ = true;
  return true;
}

bool WorkerPool::TryAdd(Task task) {
  bool wakes;
  {
    const std::lock_guard lock(mu_);
    if (pending_.size() >= max_pending_) return false;
    pending_.push_back(std::move(task));
    wakes = MustWake();
  }
  if (wakes) wake_.notify_one();
  return true;
}

void WorkerPool::Add(Task task) {
  bool wakes;
  {
    const std::lock_guard lock(mu_);
    admitted_.push_back(std::move(task));
    wakes = MustWake();
  }
  if (wakes) wake_.notify_one();
}

WorkerPool::Task WorkerPool::Take() {
  const bool new_one = admitted_.empty() || (!pending_.empty() && passed_over_ >= kMostPassedOver);
  passed_over_ = new_one || pending_.empty() ? 0 : passed_over_ + 1;
  std::deque<Task>& queue = new_one ? pending_ : admitted_;
  Task task = std::move(queue.front());
  queue.pop_front();
  return task;
}

void WorkerPool::Run() {
  std::unique_lock lock(mu_);
  const auto idle = [this] { return admitted_.empty() && pending_.empty(); };
  while (true) {
    while (idle() && !stopping_) {
      ++sleeping_;
      wake_.wait(lock);
      --sleeping_;
      waking_ = false;  // also where somebody else was quicker: the next task wakes again
    }
    if (idle()) return;
    {
      Task task = Take();
      const bool wakes = !idle() && MustWake();
      lock.unlock();
      if (wakes) wake_.notify_one();
      task();
    }  // The task's captures go before the lock is taken again.
    lock.lock();
  }
}

}  // namespace transept::server
