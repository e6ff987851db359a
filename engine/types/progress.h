// When long work at start-up owes the log a word about how far it is.
#pragma once

#include "engine/types/clock.h"

namespace transept {

class Progress {
 public:
  explicit Progress(TimePoint start) : told_(start) {}

  // Whether two seconds have passed since the start, or since the last time that this was true.
  bool IsDue(TimePoint now) {
    if (now - told_ < std::chrono::seconds(2)) return false;
    told_ = now;
    return true;
  }

 private:
  TimePoint told_;
};

}  // namespace transept
