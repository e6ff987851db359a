#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace transept::kernels::cpu {
namespace {

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 30 to 80 microseconds: longer than the serial code between two loops of a step, shorter
// than what an idle server would notice.
constexpr int kSpins = 2000;

// Ranges handed out for each thread, so that a thread which started late or was descheduled leaves
// its share to the others.
constexpr int64_t kRangesPerThread = 4;

// Bits of Shared::gate: whether the current loop admits workers, and how many are in it.
constexpr uint32_t kOpen = 1u << 31;
constexpr uint32_t kInside = kOpen - 1;

}  // namespace

// A loop is published by writing its fields, opening the gate and advancing the epoch. Workers
// enter through the gate only while it is open; the caller closes it when no range is left and
// waits until nobody is inside. So a loop never waits for a thread that has not woken up.
struct ThreadPool::Shared {
  // The current loop. Written only while the gate is closed and nobody is inside.
  Body body{};
  int64_t count = 0;
  int64_t range = 0;
  alignas(64) std::atomic<int64_t> next{0};

  alignas(64) std::atomic<uint32_t> gate{0};
  alignas(64) std::atomic<uint32_t> epoch{0};
  std::atomic<bool> stop{false};
  int spins = 0;  // constant after construction
  std::vector<std::thread> threads;

  void TakeRanges(int worker) {
    for (;;) {
      const int64_t begin = next.fetch_add(range, std::memory_order_relaxed);
      if (begin >= count) return;
      body.call(body.context, begin, std::min(begin + range, count), worker);
    }
  }

  bool Enter() {
    uint32_t state = gate.load(std::memory_order_relaxed);
    while (state & kOpen) {
      if (gate.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  // Waits until the epoch differs from `seen` and returns it.
  uint32_t AwaitEpoch(uint32_t seen) {
    for (int i = 0; i < spins; ++i) {
      const uint32_t now = epoch.load(std::memory_order_acquire);
      if (now != seen) return now;
      Pause();
    }
    epoch.wait(seen, std::memory_order_acquire);
    return epoch.load(std::memory_order_acquire);
  }

  void Work(int worker) {
    uint32_t seen = 0;
    for (;;) {
      seen = AwaitEpoch(seen);
      if (stop.load(std::memory_order_relaxed)) return;
      if (!Enter()) continue;
      TakeRanges(worker);
      gate.fetch_sub(1, std::memory_order_release);
    }
  }

  void AwaitEmpty() {
    for (int i = 0; gate.load(std::memory_order_acquire) & kInside; ++i) {
      if (i < spins) {
        Pause();
      } else {
        std::this_thread::yield();
      }
    }
  }
};

ThreadPool::ThreadPool(int size) : size_(std::max(size, 1)), shared_(std::make_unique<Shared>()) {
  const unsigned cores = std::thread::hardware_concurrency();
  if (cores == 0 || size_ <= static_cast<int>(cores)) shared_->spins = kSpins;
  for (int worker = 1; worker < size_; ++worker) {
    shared_->threads.emplace_back([shared = shared_.get(), worker] { shared->Work(worker); });
  }
}

ThreadPool::~ThreadPool() {
  shared_->stop.store(true, std::memory_order_relaxed);
  shared_->epoch.fetch_add(1, std::memory_order_release);
  shared_->epoch.notify_all();
  for (std::thread& thread : shared_->threads) thread.join();
}

void ThreadPool::Run(int64_t count, int64_t grain, Body body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (size_ == 1 || count <= grain) {
    body.call(body.context, 0, count, 0);
    return;
  }
  Shared& shared = *shared_;
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t ranges = std::min(grains, size_ * kRangesPerThread);
  shared.body = body;
  shared.count = count;
  shared.range = (grains + ranges - 1) / ranges * grain;
  shared.next.store(0, std::memory_order_relaxed);
  shared.gate.store(kOpen, std::memory_order_release);
  shared.epoch.fetch_add(1, std::memory_order_release);
  shared.epoch.notify_all();
  shared.TakeRanges(0);
  shared.gate.fetch_and(kInside, std::memory_order_acq_rel);
  shared.AwaitEmpty();
}

}  // namespace transept::kernels::cpu
