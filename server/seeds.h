// Seeds of sampling for requests that come without one.
#pragma once

#include <atomic>
#include <cstdint>

namespace transept::server {

// Thread-safe. Numbers that look random and differ from each other: SplitMix64 (Steele, Lea and
// Flood, "Fast splittable pseudorandom number generators", 2014) from `first` on.
class Seeds {
 public:
  explicit Seeds(uint64_t first) : state_(first) {}

  uint64_t Next() {
    uint64_t z = state_.fetch_add(0x9E3779B97F4A7C15, std::memory_order_relaxed);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace transept::server
