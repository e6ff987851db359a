#include "server/termination.h"

#include <cstdlib>
#include <ctime>

#include "spdlog/spdlog.h"

namespace transept::server {
namespace {

// How often the thread looks whether it should end.
constexpr timespec kPoll{.tv_sec = 0, .tv_nsec = 100'000'000};

constexpr timespec kSame{.tv_sec = 0,
                         .tv_nsec = std::chrono::nanoseconds(Termination::kSameSignal).count()};

}  // namespace

Termination::Termination() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this] { Run(); });
}

Termination::~Termination() {
  stopping_ = true;
  thread_.join();
}

void Termination::KeepSignal() {
  const std::lock_guard lock(mu_);
  keeps_signal_ = true;
}

bool Termination::WaitForSignal(std::chrono::milliseconds limit) {
  KeepSignal();
  std::unique_lock lock(mu_);
  return signalled_.wait_for(lock, limit, [this] { return got_signal_; });
}

void Termination::ExitAfter(std::chrono::milliseconds limit) {
  const std::lock_guard lock(mu_);
  exit_time_ = Clock::now() + limit;
}

void Termination::Run() {
  while (!stopping_) {
    const int signal = sigtimedwait(&signals_, nullptr, &kPoll);
    if (signal > 0) {
      Handle(signal);
      while (sigtimedwait(&signals_, nullptr, &kSame) > 0) continue;  // of the same request
    }
    const std::lock_guard lock(mu_);
    if (exit_time_.has_value() && Clock::now() > *exit_time_) {
      spdlog::critical("the server did not stop in time");
      std::_Exit(1);
    }
  }
}

void Termination::Handle(int signal) {
  const std::lock_guard lock(mu_);
  if (!keeps_signal_ || got_signal_) std::_Exit(128 + signal);
  got_signal_ = true;
  signalled_.notify_all();
}

}  // namespace transept::server
