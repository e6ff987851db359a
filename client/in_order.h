// Work on a sequence of items, several at a time, with the results in the items' order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace transept::client {

template <typename Item, typename Result>
class InOrder {
 public:
  struct Stages {
    // Gets the next item; false after the last. One call at a time, and it may wait for a terminal.
    std::function<bool(Item*)> next;
    // Called by several threads at once.
    std::function<Result(const Item&)> work;
    // Gets the results in the order of the items, one call at a time; false ends the run early.
    std::function<bool(Result)> deliver;
  };

  // Works with `threads` threads. At most four times as many items are between `next` and
  // `deliver`.
  InOrder(int threads, Stages stages)
      : threads_(threads), window_(4 * int64_t{threads}), stages_(std::move(stages)) {}

  // Returns when every item is delivered, or the run ended early. To be called once.
  void Run() {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads_; ++i) others.emplace_back([this] { Work(); });
    Work();
  }

 private:
  void Work() {
    Item item;
    int64_t index = 0;
    while (Take(&item, &index)) Finish(index, stages_.work(item));
  }

  bool Take(Item* item, int64_t* index) {
    const std::lock_guard<std::mutex> reading(read_mu_);
    if (ended_) return false;
    {
      std::unique_lock<std::mutex> lock(mu_);
      room_.wait(lock, [this] { return stopped_ || taken_ < delivered_ + window_; });
      if (stopped_) return false;
    }
    ended_ = !stages_.next(item);  // without mu_: results must get out while an item is awaited
    if (ended_) return false;
    const std::lock_guard<std::mutex> lock(mu_);
    *index = taken_++;
    return !stopped_;
  }

  void Finish(int64_t index, Result result) {
    const std::lock_guard<std::mutex> lock(mu_);
    results_.emplace(index, std::move(result));
    while (!stopped_ && !results_.empty() && results_.begin()->first == delivered_) {
      stopped_ = !stages_.deliver(std::move(results_.begin()->second));
      results_.erase(results_.begin());
      ++delivered_;
    }
    room_.notify_all();
  }

  // Constant after construction.
  const int threads_;
  const int64_t window_;
  const Stages stages_;

  std::mutex read_mu_;  // taken before mu_
  bool ended_ = false;  // guarded by read_mu_

  std::mutex mu_;
  std::condition_variable room_;
  // Guarded by mu_.
  std::map<int64_t, Result> results_;  // finished, but not yet delivered
  int64_t taken_ = 0;
  int64_t delivered_ = 0;
  bool stopped_ = false;
};

}  // namespace transept::client
