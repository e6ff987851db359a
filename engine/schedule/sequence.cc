#include "engine/schedule/sequence.h"

#include <algorithm>

#include "engine/cache/kv_cache_spec.h"

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

int32_t SharedBlocks(const Request& request, int32_t block_size) {
  if (request.scores() || request.params.beam_search()) return 0;
  return static_cast<int32_t>(request.target_prefix.size()) / block_size;
}

bool Sequence::PastIsThere(const Row& row) const {
  const auto lacks = [&](const Row& other) {
    return !other.ended() && other.computed < row.inherited;
  };
  return row.computed > row.inherited || std::none_of(rows.begin(), rows.end(), lacks);
}

int32_t Sequence::BlocksOfRows(int32_t block_size) const {
  int32_t blocks = 0;
  for (const Row& row : rows) {
    if (!row.ended()) blocks += BlocksFor(row.next_length(), block_size);
  }
  return blocks - std::max(0, live_rows() - 1) * SharedBlocks(request, block_size);
}

bool Sequence::SharesPast() const {
  return search && rows[0].unfed() > 1 &&
         static_cast<int32_t>(rows[0].history.size()) == prompt_length();
}

}  // namespace transept
