#include "engine/runner/launch_thread.h"

#include <utility>

#include "engine/types/require.h"

namespace transept {

LaunchThread::LaunchThread() {
  thread_ = std::thread([this] { Run(); });
}

LaunchThread::~LaunchThread() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void LaunchThread::Start(Work work) {
  {
    const std::lock_guard lock(mu_);
    Require(work_ == nullptr, "LaunchThread::Start before the last work was done");
    work_ = std::move(work);
  }
  changed_.notify_all();
}

bool LaunchThread::done() const {
  const std::lock_guard lock(mu_);
  return work_ == nullptr;
}

void LaunchThread::Await() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return work_ == nullptr; });
}

void LaunchThread::Run() {
  std::unique_lock lock(mu_);
  while (true) {
    changed_.wait(lock, [this] { return work_ != nullptr || stopping_; });
    if (work_ == nullptr) return;
    lock.unlock();
    work_();
    lock.lock();
    work_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace transept
