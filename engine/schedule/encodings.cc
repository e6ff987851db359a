#include "engine/schedule/encodings.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "engine/types/require.h"

namespace transept {

void Encodings::Add(Encoding encoding) {
  Require(CanAdd(), "Encodings::Add while others are on their way");
  queue_.push_back(std::move(encoding));
}

bool Encodings::ExpectedBy(uint64_t step) const {
  if (!busy()) return true;
  // It has been launched soon after the step in front of its own began.
  const Encoding& newest = queue_.back();
  const double steps = static_cast<double>(step - newest.step) + 0.5;
  return step_time_ == Duration::zero() ||
         encode_times_[std::bit_width(newest.tokens)] <= steps * step_time_;
}

Encoding Encodings::Take(uint64_t step, Duration encode_time) {
  Require(!queue_.empty() && queue_.front().step == step, "Encodings::Take out of order");
  Encoding oldest = std::move(queue_.front());
  queue_.pop_front();
  encoded_through_ = std::max(encoded_through_, step);
  encode_times_[std::bit_width(oldest.tokens)] = encode_time;
  return oldest;
}

}  // namespace transept
