// The clock of deadlines, arrival times and timings. Code below engine/engine.cc never reads it,
// but to say how long loading takes: the time is an argument.
#pragma once

#include <chrono>

namespace transept {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

inline double Milliseconds(Duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace transept
