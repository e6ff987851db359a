// The state of requests between steps: what the scheduler knows of each, from Add to its end.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/cache/block_table.h"
#include "engine/cache/source_cache.h"
#include "engine/decode/beam_search.h"
#include "engine/decode/stopping.h"
#include "engine/types/request.h"
#include "engine/types/result.h"

namespace transept {

// The order in which requests are served, fixed at arrival: a level of priority counts as arriving
// one interval earlier. The order is strict, and because later arrivals get ever later keys, nobody
// waits for ever.
struct AdmissionKey {
  TimePoint time;
  RequestId id = 0;

  auto operator<=>(const AdmissionKey&) const = default;
};

// Saturates instead of overflowing at extreme priorities. REQUIRES: interval >= 0.
AdmissionKey MakeAdmissionKey(TimePoint arrival, int32_t priority, Duration interval, RequestId id);

// One output in the making, or one beam: a decoder row while its request is running.
//
// Time runs ahead of knowledge: of a row whose last step is still under way, the newest token is on
// the device alone. `history` has the tokens known here; `computed` counts the positions whose K/V
// planned steps write, what is inherited included; `in_flight` counts the planned steps whose token
// is not known yet. While in_flight > 0, computed == history.size() + in_flight - 1.
//
// The rows of a beam search go in step, and end with it. Which past a row has on the device is
// known here when it is known which beam it continues. Where the search goes on with other beams
// than the device did (a stop sequence), all rows are fed afresh, with computed == 0: at once, or
// when a step that is planned already has ended (Sequence::astray).
struct Row {
  Row(BlockPool* pool, StoppingRules rules) : stopping(std::move(rules)), blocks(pool) {}

  bool ended() const { return finish_reason.has_value(); }
  // Tokens that the next step has to be fed: one on the device, or all known ones not computed yet.
  int32_t unfed() const {
    return in_flight > 0 ? 1 : static_cast<int32_t>(history.size()) - computed;
  }
  // Positions that the row's blocks have to cover in its next step.
  int32_t next_length() const { return static_cast<int32_t>(history.size()) + in_flight; }

  std::vector<TokenId> history;       // decoder start, prefix, generated
  std::vector<TokenId> next_history;  // scratch, for beams that change places
  // Of a row that is scored, which is fed once: the decoder start and all of `target` but the last
  // token are its history. Empty: the row generates.
  absl::Span<const TokenId> target;

  // Not of a beam.
  std::vector<GeneratedToken> generated;  // without the final EOS
  std::optional<GeneratedToken> eos;      // the final one
  double score = 0;                       // of all generated tokens, the EOS included
  StoppingRules stopping;
  std::optional<FinishReason> finish_reason;  // has a value once the row has ended

  // Held while running.
  BlockTable blocks;
  int32_t slot = -1;
  int32_t inherited = 0;  // positions that another row computes, in blocks that both have

  int32_t computed = 0;
  int32_t in_flight = 0;
  bool in_step = false;  // fed in the step being planned
};

// Blocks that all rows of a request have in common: samples', of the prompt without its last token,
// which each is fed itself and chooses by. The first row that starts computes them, the others
// inherit them a step later, also after a preemption. Beams share by other means: their pasts mix.
int32_t SharedBlocks(const Request& request, int32_t block_size);

// A request and its rows.
struct Sequence {
  Sequence(RequestId id, Request request) : id(id), request(std::move(request)) {}

  int32_t prompt_length() const { return 1 + static_cast<int32_t>(request.target_prefix.size()); }
  // Positions that `row` is fed at most: all but its last token.
  int32_t max_length(const Row& row) const {
    if (!row.target.empty()) return static_cast<int32_t>(row.target.size());
    return prompt_length() + request.params.max_new_tokens - 1;
  }
  int32_t live_rows() const;
  // Whether `row` generates its last token in a step that is planned already.
  bool AwaitsLast(const Row& row) const { return row.next_length() > max_length(row); }

  // Whether the rows are beams that are fed the same next, several tokens: row 0 is, for all.
  bool SharesPast() const;
  // Whether what `row` inherits is computed by a step that is planned already.
  bool PastIsThere(const Row& row) const;
  // What the rows that have not ended need for their next step, together.
  int32_t BlocksOfRows(int32_t block_size) const;

  const RequestId id;
  const Request request;  // rows and plans point into it
  AdmissionKey key;
  TimePoint arrival;

  std::vector<Row> rows;             // [request.rows()], ended ones included
  std::optional<BeamSearch> search;  // of which the rows are the beams, in order
  // The device has gone astray in a step that is planned already, whose result is void.
  bool astray = false;
  SourceRef source;      // from admission on, through preemption, unless pressure takes it
  bool running = false;  // else waiting

  std::optional<TimePoint> admitted;  // the first time
  bool encoded = false;               // the encoder ran for it
  Duration encode_time{};
};

}  // namespace transept
