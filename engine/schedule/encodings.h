// What is on its way through the encoder, which sources rows may read, and when it is worth waiting
// for those that they may not.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/cache/source_cache.h"
#include "engine/types/clock.h"
#include "engine/types/request.h"

namespace transept {

// The sources of a step, until they are known to be encoded.
struct Encoding {
  uint64_t step = 0;
  uint64_t tokens = 0;
  std::vector<RequestId> requests;
  std::vector<RequestId> states;  // as in StepResult::states
  std::vector<SourceRef>
      sources;  // nobody else gets their blocks, whatever becomes of the requests
};

// Steps by their ids, in the order in which they are planned. Not thread-safe.
class Encodings {
 public:
  // `beside_rows`: see SchedulerOptions. Without, every step finds all sources encoded, its own
  // too.
  explicit Encodings(bool beside_rows) : beside_rows_(beside_rows) {}

  // Nothing is on its way, as far as is known.
  bool none() const { return queue_.empty(); }
  // Whether something may still be on its way when the next step begins.
  bool busy() const { return beside_rows_ && !none() && queue_.back().step > encoded_through_; }
  // Whether the next step may encode: of two, the results are awaited first.
  bool CanAdd() const { return !beside_rows_ || (!busy() && queue_.size() < 2); }
  // Whether the next step finds what `step` has encoded.
  bool Finds(uint64_t step) const { return !beside_rows_ || step <= encoded_through_; }

  // Whether what is on its way should have ended by the time the next step, `step`, begins: judging
  // by how long about as many tokens took last, and a step that did not await them. True as long as
  // either is not known.
  bool ExpectedBy(uint64_t step) const;

  // The next step, `step`, awaits the encoder.
  void Await(uint64_t step) { encoded_through_ = step - 1; }
  // A step was planned that encodes. REQUIRES: CanAdd().
  void Add(Encoding encoding);
  // The result of `step`'s sources has come. REQUIRES: it is the oldest that was not taken.
  Encoding Take(uint64_t step, Duration encode_time);
  // A step that did not await the encoder took so long.
  void NoteStepTime(Duration step_time) { step_time_ = step_time; }
  // After a failure, when nothing is on its way any more.
  void Clear() { queue_.clear(); }

 private:
  const bool beside_rows_;
  std::deque<Encoding> queue_;      // oldest first
  uint64_t encoded_through_ = 0;    // all sources of steps up to this one
  Duration encode_times_[65] = {};  // the last, by the width in bits of the number of tokens
  Duration step_time_{};            // the last noted
};

}  // namespace transept
