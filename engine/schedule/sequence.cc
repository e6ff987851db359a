#include "engine/schedule/sequence.h"

#include <algorithm>

namespace transept {

AdmissionKey MakeAdmissionKey(TimePoint arrival, int32_t priority, Duration interval,
                              RequestId id) {
  // A quarter of the clock's range on either side: neither product nor difference overflows.
  constexpr Duration kMaxShift = Duration::max() / 4;
  int64_t levels = priority;
  if (interval > Duration::zero()) {
    const int64_t limit = kMaxShift / interval;
    levels = std::clamp(levels, -limit, limit);
  }
  return AdmissionKey{arrival - levels * interval, id};
}

int32_t Sequence::live_rows() const {
  return static_cast<int32_t>(
      std::count_if(rows.begin(), rows.end(), [](const Row& row) { return !row.ended(); }));
}

bool Sequence::SharesPast() const {
  return search && rows[0].unfed() > 1 &&
         static_cast<int32_t>(rows[0].history.size()) == prompt_length();
}

}  // namespace transept
