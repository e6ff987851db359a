#include "engine/runner/beam_ancestry.h"

#include <algorithm>
#include <cstddef>

#include "engine/decode/beam_choice.h"

namespace transept {

void BeamAncestry::Start(const RowPlan& row) {
  const int32_t writer = row.shared_past ? -row.hypothesis : 0;
  std::fill_n(WritersOf(row), row.history.size(), static_cast<int8_t>(writer));
}

void BeamAncestry::Continue(absl::Span<const RowPlan> rows,
                            absl::Span<const BeamCandidate> candidates) {
  const std::vector<int32_t> chosen = NextBeams(*rows[0].params, candidates);
  const size_t length = rows[0].first_position + rows[0].tokens.size();
  next_.resize(chosen.size() * (length + 1));
  int8_t* next = next_.data();
  for (size_t row = 0; row < chosen.size(); ++row) {
    const int32_t parent = candidates[chosen[row]].hypothesis;
    const int8_t* const writers = WritersOf(rows[parent]);
    const int32_t distance = parent - static_cast<int32_t>(row);
    next = std::transform(writers, writers + length, next,
                          [=](int8_t writer) { return static_cast<int8_t>(writer + distance); });
    *next++ = 0;  // what the row will be fed
  }
  for (size_t row = 0; row < chosen.size(); ++row) {
    std::copy_n(next_.data() + row * (length + 1), length + 1, WritersOf(rows[row]));
  }
}

}  // namespace transept
