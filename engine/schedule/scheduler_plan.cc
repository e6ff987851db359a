// What runs in a step: growth, preemption, admission.
#include <algorithm>
#include <utility>

#include "engine/cache/kv_cache_spec.h"
#include "engine/schedule/scheduler.h"
#include "engine/types/require.h"

namespace transept {
namespace {

// How many rows will need a block more than their next step does.
int32_t GrowingRows(const Sequence& sequence, int32_t block_size) {
  const auto grows = [&](const Row& row) {
    return !row.ended() && BlocksFor(row.next_length(), block_size) <
                               BlocksFor(sequence.max_length(row), block_size);
  };
  return static_cast<int32_t>(std::count_if(sequence.rows.begin(), sequence.rows.end(), grows));
}

}  // namespace

// The bulk work of one step: tokens to encode, and of rows that are fed several. One item may
// exceed the limit if nothing else is taken.
class Scheduler::TokenBudget {
 public:
  explicit TokenBudget(int64_t limit) : limit_(limit) {}

  bool CanTake(int64_t tokens) const { return used_ == 0 || used_ + tokens <= limit_; }
  // REQUIRES: CanTake(tokens).
  void Take(int64_t tokens) { used_ += tokens; }

 private:
  const int64_t limit_;
  int64_t used_ = 0;
};

// A step in the making, and what is remembered of it until its result comes.
struct Scheduler::Step {
  StepPlan plan;
  InFlight record;
  Encoding encoding;
};

StepPlan Scheduler::Schedule(TimePoint now) {
  Require(in_flight_.size() <= 1, "Scheduler::Schedule more than one step ahead");
  EndDue(now);
  GrowRunning();

  Step step;
  step.plan.awaits_encoder = MustAwaitEncoder();
  if (step.plan.awaits_encoder) encodings_.Await(next_step_);
  TokenBudget budget(options_.max_encoder_tokens);
  for (const auto& [key, sequence] : running_) Feed(sequence, &budget);
  Admit(now, &budget, &step);
  const size_t rows = options_.max_rows - free_slots_.size();
  step.plan.rows.reserve(rows);
  step.plan.sources.reserve(rows);
  step.record.rows.reserve(rows);
  for (const auto& [key, sequence] : running_) PlanRows(sequence, &step);
  if (step.plan.empty()) {
    if (!encodings_.busy()) return {};
    step.plan.awaits_encoder = true;
    encodings_.Await(next_step_);
  }

  step.record.awaits_encoder = step.plan.awaits_encoder;
  step.plan.id = step.record.id = step.encoding.step = next_step_++;
  ++counters_.steps;
  in_flight_.push_back(std::move(step.record));
  if (!step.plan.encode.empty()) encodings_.Add(std::move(step.encoding));
  return std::move(step.plan);
}

// Rows do not wait for the sources of others, unless no fewer would wait for theirs, or it should
// not take long.
bool Scheduler::MustAwaitEncoder() const {
  if (!encodings_.busy()) return false;
  int32_t waiting = 0;
  int32_t ready = 0;
  for (const auto& [key, sequence] : running_) {
    for (const Row& row : sequence->rows) {
      if (row.ended() || sequence->AwaitsLast(row)) continue;
      ++(encodings_.Finds(sequence->source.written_in()) ? ready : waiting);
    }
  }
  return waiting > 0 && (waiting >= ready || encodings_.ExpectedBy(next_step_));
}

void Scheduler::GrowRunning() {
  for (auto it = running_.begin(); it != running_.end();) {
    Sequence* const sequence = it->second;
    const bool grown = Grow(sequence);
    ++it;  // only now: Grow may have preempted what came next
    if (!grown) Preempt(sequence);
  }
}

// Makes each row's blocks cover its next step. False when nothing is left that may be taken.
bool Scheduler::Grow(Sequence* sequence) {
  for (Row& row : sequence->rows) {
    if (row.ended() || sequence->AwaitsLast(row)) continue;
    const int32_t blocks = BlocksFor(row.next_length(), options_.block_size);
    while (row.blocks.size() < blocks) {
      if (!MakeRoomFor(*sequence)) return false;
      row.blocks.GrowTo(row.blocks.size() + 1);
    }
  }
  return true;
}

// Frees a block for a running request, at the cost of idle sources and of requests behind it.
bool Scheduler::MakeRoomFor(const Sequence& sequence) {
  while (!sources_->CanReclaim(1)) {
    // Those without rows have nothing to give.
    const auto last = std::find_if(running_.rbegin(), running_.rend(), [](const auto& running) {
      return !running.second->rows.empty();
    });
    if (last->second != &sequence) {
      Preempt(last->second);
    } else if (!DropSourceBehind(sequence)) {
      return false;
    }
  }
  sources_->Reclaim(1);
  return true;
}

// Takes the source of the last waiting request that has one. It will be encoded again.
bool Scheduler::DropSourceBehind(const Sequence& sequence) {
  for (auto it = waiting_.rbegin(); it != waiting_.rend() && it->first > sequence.key; ++it) {
    if (it->second->source) {
      it->second->source.Reset();
      return true;
    }
  }
  return false;
}

void Scheduler::Preempt(Sequence* sequence) {
  for (Row& row : sequence->rows) Withdraw(&row);
  running_.erase(sequence->key);
  waiting_.emplace(sequence->key, sequence);
  sequence->running = false;
  ++counters_.preemptions;
}

// Chooses the rows that are fed in this step; all of a search or none.
void Scheduler::Feed(Sequence* sequence, TokenBudget* budget) {
  if (sequence->astray || !encodings_.Finds(sequence->source.written_in())) return;
  const size_t group = sequence->search ? sequence->rows.size() : 1;
  for (size_t i = 0; i < sequence->rows.size(); i += group) {
    const absl::Span<Row> rows = absl::MakeSpan(sequence->rows).subspan(i, group);
    if (rows[0].ended() || sequence->AwaitsLast(rows[0])) continue;
    if (!sequence->PastIsThere(rows[0])) continue;
    if (const int64_t each = rows[0].unfed(); each > 1) {
      const int64_t tokens = sequence->SharesPast() ? each : each * static_cast<int64_t>(group);
      if (!budget->CanTake(tokens)) continue;
      budget->Take(tokens);
    }
    for (Row& row : rows) row.in_step = true;
  }
}

void Scheduler::Admit(TimePoint now, TokenBudget* budget, Step* step) {
  if (waiting_.empty()) return;
  int32_t growing = 0;  // rows of the batch
  for (const auto& [key, running] : running_) {
    growing += GrowingRows(*running, options_.block_size);
  }
  while (!waiting_.empty()) {
    Sequence* const next = waiting_.begin()->second;
    // Sources that preempted requests kept must not hold up the first in order for ever.
    while (running_.empty() && !BlocksFit(*next, growing) && DropSourceBehind(*next)) {
    }
    if (!CanAdmit(*next, *budget, growing)) return;
    Start(next, now);
    growing += GrowingRows(*next, options_.block_size);
    if (next->request.pooling || !next->source.written()) EncodeSource(next, budget, step);
    Feed(next, budget);
  }
}

bool Scheduler::CanAdmit(const Sequence& sequence, const TokenBudget& budget,
                         int32_t growing) const {
  // What was preempted while its last result is still on the device has to wait for that.
  for (const Row& row : sequence.rows) {
    if (!row.ended() && row.in_flight > 0) return false;
  }
  if (sequence.live_rows() > static_cast<int32_t>(free_slots_.size())) return false;
  const bool written =
      !sequence.request.pooling &&
      (sequence.source ? sequence.source.written() : sources_->IsWritten(sequence.request.source));
  if (!written && (!encodings_.CanAdd() ||
                   !budget.CanTake(static_cast<int64_t>(sequence.request.source.size())))) {
    return false;
  }
  return BlocksFit(sequence, growing);
}

// Whether there are blocks for the source and the rows as they are, and one for each row that can
// still grow, here and of the `growing` ones in what runs already.
bool Scheduler::BlocksFit(const Sequence& sequence, int32_t growing) const {
  if (sequence.request.pooling) return true;
  int32_t blocks = sequence.source ? 0 : sources_->BlocksToAcquire(sequence.request.source);
  blocks += sequence.BlocksOfRows(options_.block_size);
  if (!running_.empty()) blocks += growing + GrowingRows(sequence, options_.block_size);
  return sources_->CanReclaim(blocks);
}

// Moves a waiting request into the batch. REQUIRES: CanAdmit.
void Scheduler::Start(Sequence* sequence, TimePoint now) {
  const bool reads_source = !sequence->request.pooling;
  if (reads_source && !sequence->source) {
    sequence->source = sources_->Acquire(sequence->request.source);
  }
  const int32_t shared = SharedBlocks(sequence->request, options_.block_size);
  const Row* first = nullptr;
  for (Row& row : sequence->rows) {
    if (row.ended()) continue;
    if (first == nullptr) {
      first = &row;
    } else {
      row.blocks.Share(first->blocks, shared);
      row.inherited = row.computed = shared * options_.block_size;
    }
    const int32_t blocks = BlocksFor(row.next_length(), options_.block_size);
    sources_->Reclaim(blocks - row.blocks.size());
    row.blocks.GrowTo(blocks);
    row.slot = free_slots_.back();
    free_slots_.pop_back();
  }
  if (!sequence->admitted) {
    sequence->admitted = now;
    if (reads_source && sequence->source.written()) ++counters_.sources_reused;
  }
  waiting_.erase(sequence->key);
  running_.emplace(sequence->key, sequence);
  sequence->running = true;
}

void Scheduler::EncodeSource(Sequence* sequence, TokenBudget* budget, Step* step) {
  const Request& request = sequence->request;
  const auto length = static_cast<int64_t>(request.source.size());
  budget->Take(length);
  step->encoding.requests.push_back(sequence->id);
  step->encoding.tokens += length;
  sequence->encoded = true;
  counters_.source_tokens_encoded += length;
  EncodeItem& item = step->plan.encode.emplace_back();
  item.source = request.source;
  item.pooling = request.pooling;
  if (request.pooling) {
    step->encoding.states.push_back(sequence->id);
  } else {
    item.cross_blocks = sequence->source.blocks();
    sequence->source.MarkWritten(next_step_);
    step->encoding.sources.push_back(sequence->source.Share());
  }
}

void Scheduler::PlanRows(Sequence* sequence, Step* step) {
  const auto source = static_cast<int32_t>(step->plan.sources.size());
  const bool shared_past = sequence->SharesPast();
  for (Row& row : sequence->rows) {
    if (!std::exchange(row.in_step, false)) continue;
    const auto index = static_cast<int32_t>(&row - sequence->rows.data());
    const absl::Span<const TokenId> history = row.history;
    RowPlan& plan = step->plan.rows.emplace_back();
    plan.request = sequence->id;
    plan.hypothesis = index;
    plan.slot = row.slot;
    plan.source = source;
    if (row.in_flight == 0) plan.tokens = history.subspan(row.computed);
    if (sequence->search) plan.beam_score = sequence->search->beams()[index].score;
    if (!row.target.empty()) {
      plan.targets = row.target;
      step->record.scored.emplace_back(sequence->id, index);
    }
    plan.first_position = row.computed;
    plan.inherited = row.inherited;
    plan.blocks = row.blocks.blocks();
    plan.params = &sequence->request.params;
    plan.history = history;
    plan.prompt_length = sequence->prompt_length();
    plan.shared_past = shared_past;
    step->record.rows.emplace_back(sequence->id, index);
    row.computed = row.next_length();
    ++row.in_flight;
  }
  if (!step->plan.rows.empty() && step->plan.rows.back().source == source) {
    if (sequence->search) step->record.searches.push_back(sequence->id);
    const SourceRef& ref = sequence->source;
    step->plan.sources.push_back({ref.blocks(), ref.length(), ref.tokens()});
  }
}

}  // namespace transept
