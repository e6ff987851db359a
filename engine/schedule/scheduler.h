// Decides what runs in each step: which requests join and leave the batch, who gets blocks, and
// what becomes of the tokens that come back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cache/block_pool.h"
#include "engine/cache/source_cache.h"
#include "engine/schedule/delivery.h"
#include "engine/schedule/encodings.h"
#include "engine/schedule/in_flight.h"
#include "engine/schedule/scheduler_options.h"
#include "engine/schedule/sequence.h"
#include "engine/text/tokenizer.h"
#include "engine/types/batch.h"
#include "engine/types/clock.h"
#include "engine/types/request.h"
#include "engine/types/result.h"
#include "engine/types/stats.h"

namespace transept {

// Without threads, clock or randomness: what it does is a function of the calls made to it. Not
// thread-safe. The engine's loop is
//
//   plan = Schedule(now)   ->  launch it unless it is empty  ->  Update(its result, now)
//
// and may run one step ahead: Schedule(n + 1) may come before Update(n), but not before
// Update(n - 1). The rows of step n then have one token pending, which step n + 1 is told to take
// from the device; a row that turns out to have ended in step n wastes its place in step n + 1.
// Blocks and slots that step n still uses are given to others in step n + 1.
class Scheduler {
 public:
  // `pool` and `sources` (over the same pool) must outlive the scheduler, which is their only user;
  // so must `tokenizer`, needed for stop sequences only and otherwise null.
  Scheduler(const SchedulerOptions& options, BlockPool* pool, SourceCache* sources,
            const Tokenizer* tokenizer);

  // Whether `request` could ever run: INVALID_ARGUMENT (FieldError) for an empty source, more rows
  // than a step takes, a prefix that leaves no position to generate at, or a target longer than the
  // model's positions; RESOURCE_EXHAUSTED, with the sizes, when the request at its longest would
  // not fit into the whole pool. Looks at nothing that changes: any thread may ask.
  absl::Status Check(const Request& request) const;

  // Queues a request under a new id. Errors are those of Check, and leave nothing behind.
  // max_new_tokens is cut to what max_target_positions leaves.
  absl::Status Add(RequestId id, Request request, TimePoint now);

  // The request ends with CANCELLED in the next Schedule. Nothing happens if it has ended already.
  void Cancel(RequestId id);

  // Plans the next step:
  //  1. ends what was cancelled or has passed its deadline, waiting or running;
  //  2. gives each running row the block it needs next. When none is free, idle sources are
  //     evicted; then the running request last in order is preempted: it keeps its source and its
  //     tokens, and waits again at its old place; then waiting requests lose their sources, the
  //     last in order first. Nobody loses anything to a request behind. Since each request fits
  //     alone (Check), the first in order advances, if only when nothing is being encoded;
  //  3. has rows wait for the sources that are being encoded if no fewer wait for theirs than are
  //     held up, or if it should not take long;
  //  4. admits waiting requests strictly in order, each with all its rows, while there are
  //       rows    max_rows slots,
  //       tokens  max_encoder_tokens: source tokens to encode plus, of rows that are fed several
  //               tokens (a prefix, which one row computes for all, or the history after
  //               preemption), those tokens. A source, row or search that exceeds it goes as the
  //               only one of its step: work is bounded. No source begins while others are encoded,
  //       blocks  for the source and the rows' first positions, and beyond them one for every
  //               running row that can still grow: for block_size steps the newcomer makes nobody
  //               preempt. Nothing beyond them is asked for while nothing else runs.
  //
  // An empty plan (nothing can run, or all rows wait for their last token) needs no Update. Spans
  // and pointers of the plan are valid until the next Schedule, Update or FailAll.
  StepPlan Schedule(TimePoint now);

  // Takes the result of a planned step, in the order of the plans: appends tokens, ends rows and
  // requests, frees what they held. A row preempted meanwhile gets its token, one that has ended
  // does not. The result of a step planned before FailAll is dropped.
  void Update(const StepResult& result, TimePoint now);

  // Ends everything with `status` and forgets all sources: after a failed step, of which nothing
  // goes on, or to shut down. The scheduler can be used again.
  void FailAll(const absl::Status& status);

  // What has become deliverable since the last call.
  std::vector<Delivery> TakeDeliveries() { return std::exchange(deliveries_, {}); }
  // Nothing waits, runs or is encoded. A step may still be under way, for rows that have ended.
  bool idle() const { return sequences_.empty() && encodings_.none(); }

  // Gauges and counters. Submitted and rejected are what Add took and refused.
  EngineStats stats() const;

 private:
  class TokenBudget;
  struct Step;

  // The parts of Schedule, in its order.
  void EndDue(TimePoint now);
  void GrowRunning();
  bool MustAwaitEncoder() const;
  void Admit(TimePoint now, TokenBudget* budget, Step* step);
  void PlanRows(Sequence* sequence, Step* step);
  bool Grow(Sequence* sequence);
  bool MakeRoomFor(const Sequence& sequence);
  bool DropSourceBehind(const Sequence& sequence);
  void Preempt(Sequence* sequence);
  bool CanAdmit(const Sequence& sequence, const TokenBudget& budget, int32_t growing) const;
  bool BlocksFit(const Sequence& sequence, int32_t growing) const;
  void Start(Sequence* sequence, TimePoint now);
  void EncodeSource(Sequence* sequence, TokenBudget* budget, Step* step);
  void Feed(Sequence* sequence, TokenBudget* budget);

  Sequence* Find(RequestId id) const;
  void TakeEncoding(const StepResult& result, TimePoint now);
  void TakeToken(Sequence* sequence, int32_t index, const GeneratedToken& token);
  void TakeCandidates(Sequence* sequence, absl::Span<const BeamCandidate> candidates,
                      absl::Span<const GeneratedToken> rows, TimePoint now);
  void TakeScores(Sequence* sequence, int32_t index, absl::Span<const float> logprobs);
  void Withdraw(Row* row);  // from the batch: gives back its slot and blocks
  void End(Sequence* sequence, absl::StatusOr<Result> result);

  const SchedulerOptions options_;
  BlockPool* const pool_;
  SourceCache* const sources_;
  const Tokenizer* const tokenizer_;

  // Every request is in `sequences_` and in one of `waiting_` and `running_`.
  absl::flat_hash_map<RequestId, std::unique_ptr<Sequence>> sequences_;
  std::map<AdmissionKey, Sequence*> waiting_;  // new and preempted
  std::map<AdmissionKey, Sequence*> running_;
  std::set<std::pair<TimePoint, RequestId>> deadlines_;
  std::vector<RequestId> cancelled_;  // since the last Schedule

  std::vector<int32_t> free_slots_;
  std::deque<InFlight> in_flight_;  // oldest first, at most two
  Encodings encodings_;
  uint64_t next_step_ = 1;
  std::vector<Delivery> deliveries_;
  EngineStats counters_;  // the gauges in it are unused
};

}  // namespace transept
