// A progress bar on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>

namespace transept::client {

// Draws to `out` at most ten times a second, and erases itself when destroyed. A null `out` draws
// nothing. Not thread-safe.
class Progress {
 public:
  // `total` = how many steps there will be, if known.
  Progress(std::ostream* out, std::optional<int64_t> total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Step();

 private:
  using Clock = std::chrono::steady_clock;

  void Draw(Clock::time_point now);

  std::ostream* const out_;
  const std::optional<int64_t> total_;
  const Clock::time_point start_;
  Clock::time_point drawn_;
  int64_t done_ = 0;
};

}  // namespace transept::client
