// Requests from Add to their end. What runs in a step is decided in scheduler_plan.cc.
#include "engine/schedule/scheduler.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/types/errors.h"
#include "engine/types/require.h"

namespace transept {
namespace {

size_t TokensGenerated(const Sequence& sequence) {
  size_t tokens = 0;
  for (const Row& row : sequence.rows) tokens += row.generated.size();
  return sequence.search ? sequence.search->length() : tokens;
}

// What max_new_tokens comes to in `positions` target positions (0 = unlimited): the last token
// needs none, for it is never fed.
int32_t MaxNewTokens(const Request& request, int32_t positions) {
  if (positions == 0) return request.params.max_new_tokens;
  const int64_t prompt = 1 + static_cast<int64_t>(request.target_prefix.size());
  const int64_t room = std::max<int64_t>(0, positions - prompt + 1);
  return static_cast<int32_t>(std::min<int64_t>(room, request.params.max_new_tokens));
}

// Of an ended request; takes the tokens out of `sequence`.
std::vector<Hypothesis> TakeHypotheses(Sequence* sequence) {
  if (sequence->search) return sequence->search->Hypotheses();
  std::vector<Hypothesis> hypotheses;
  for (Row& row : sequence->rows) {
    hypotheses.push_back({std::move(row.generated), static_cast<float>(row.score),
                          *row.finish_reason, std::move(row.eos)});
  }
  return hypotheses;
}

Result MakeResult(Sequence* sequence, TimePoint now) {
  Result result;
  result.hypotheses = TakeHypotheses(sequence);
  result.source_tokens = static_cast<int32_t>(sequence->request.source.size());
  result.encoder_reused = !sequence->encoded;
  const Duration since_admission = now - *sequence->admitted;
  result.timings.queue_ms = Milliseconds(*sequence->admitted - sequence->arrival);
  result.timings.encode_ms = Milliseconds(sequence->encode_time);
  result.timings.decode_ms =
      Milliseconds(std::max(Duration::zero(), since_admission - sequence->encode_time));
  result.timings.total_ms = Milliseconds(now - sequence->arrival);
  return result;
}

// Built in place: GCC 14 takes a Delivery that is moved in for one that may not be initialized.
void Deliver(RequestId request, TokenDelta delta, std::vector<Delivery>* deliveries) {
  Delivery& delivery = deliveries->emplace_back();
  delivery.request = request;
  delivery.event = std::move(delta);
}

// Each row takes over the past of the beam that it continues.
void TakePasts(const BeamSearch& search, std::vector<Row>* rows) {
  const absl::Span<const BeamSearch::Beam> beams = search.beams();
  for (size_t i = 0; i < rows->size(); ++i) {
    std::vector<TokenId>& history = (*rows)[i].next_history;
    history = (*rows)[beams[i].parent].history;
    history.push_back(beams[i].token);
  }
  for (Row& row : *rows) {
    row.history.swap(row.next_history);
    if (!search.follows_device()) row.computed = 0;
  }
}

// Check, of a request that is scored.
absl::Status CheckTargets(const Request& request, const SchedulerOptions& options,
                          int32_t num_blocks) {
  if (request.rows() > options.max_rows) {
    return FieldError("targets", absl::StrCat(request.rows(), " targets; at most ",
                                              options.max_rows, ", the rows of a step"));
  }
  const int32_t positions = options.max_target_positions;
  int64_t blocks = BlocksFor(request.source.size(), options.block_size);
  int64_t tokens = 0;
  for (int32_t i = 0; i < request.rows(); ++i) {
    const auto size = static_cast<int64_t>(request.targets[i].size());
    const std::string field = absl::StrCat("targets[", i, "]");
    if (size == 0) return FieldError(field, "is empty");
    if (positions > 0 && size > positions) {
      return FieldError(
          field, absl::StrCat(size, " tokens; the model has ", positions, " target positions"));
    }
    tokens += size;
    blocks += BlocksFor(size, options.block_size);
  }
  if (blocks <= num_blocks) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the request needs ", blocks, " K/V blocks of ", options.block_size,
                   " positions (a source of ", request.source.size(), " tokens, ", request.rows(),
                   " targets of ", tokens, " together), but there are only ", num_blocks));
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, BlockPool* pool, SourceCache* sources,
                     const Tokenizer* tokenizer)
    : options_(options),
      pool_(pool),
      sources_(sources),
      tokenizer_(tokenizer),
      encodings_(options.encode_beside_rows) {
  for (int32_t slot = options_.max_rows - 1; slot >= 0; --slot) free_slots_.push_back(slot);
}

absl::Status Scheduler::Check(const Request& request) const {
  const int64_t source = request.source.size();
  if (source == 0) return FieldError("source", "is empty");
  if (request.pooling) return absl::OkStatus();
  if (request.scores()) return CheckTargets(request, options_, pool_->num_blocks());
  const int64_t prefix = request.target_prefix.size();
  const int32_t rows = request.params.rows();
  const int32_t new_tokens = MaxNewTokens(request, options_.max_target_positions);
  const bool searches = request.params.beam_search();
  if (rows < 1 || rows > options_.max_rows) {
    return FieldError(
        searches ? "options.num_beams" : "options.num_return_sequences",
        absl::StrCat(rows, " is not in [1, ", options_.max_rows, "], the rows of a step"));
  }
  if (new_tokens < 1) {
    return FieldError("target_prefix",
                      absl::StrCat(prefix, " tokens and the decoder start take more than ",
                                   options_.max_target_positions, " positions"));
  }
  // Decoder start, prefix and all generated tokens but the last, which is never fed.
  const int64_t positions = prefix + new_tokens;
  // After a preemption all beams are fed at once, for they choose together.
  const int64_t most = options_.max_search_tokens;
  if (searches && most > 0 && rows * positions > most) {
    return FieldError("options.num_beams",
                      absl::StrCat(rows, " beams of up to ", positions, " tokens are ",
                                   rows * positions, " together; at most ", most, " are allowed"));
  }
  const int64_t source_blocks = BlocksFor(source, options_.block_size);
  const int64_t row_blocks = BlocksFor(positions, options_.block_size);
  const int64_t shared_blocks = SharedBlocks(request, options_.block_size);
  const int64_t blocks = source_blocks + rows * row_blocks - (rows - 1) * shared_blocks;
  if (blocks > pool_->num_blocks()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the request may need ", blocks, " K/V blocks of ", options_.block_size,
                     " positions (", source_blocks, " for a source of ", source, " tokens, ",
                     row_blocks, " for each of ", rows, " rows of up to ", positions, " tokens",
                     shared_blocks > 0 ? absl::StrCat(", ", shared_blocks, " of them shared") : "",
                     "), but there are only ", pool_->num_blocks()));
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Add(RequestId id, Request request, TimePoint now) {
  absl::Status status = Check(request);
  if (!status.ok()) {
    ++counters_.requests_rejected;
    return status;
  }

  request.params.max_new_tokens = MaxNewTokens(request, options_.max_target_positions);
  auto sequence = std::make_unique<Sequence>(id, std::move(request));
  const Request& kept = sequence->request;
  sequence->key = MakeAdmissionKey(now, kept.priority, options_.priority_interval, id);
  sequence->arrival = now;
  for (int32_t i = 0; i < kept.rows(); ++i) {
    Row& row = sequence->rows.emplace_back(pool_, StoppingRules(&kept.params, tokenizer_));
    if (kept.scores()) row.target = kept.targets[i];
    const absl::Span<const TokenId> prompt =
        kept.scores() ? row.target.first(row.target.size() - 1) : kept.target_prefix;
    row.history.push_back(kept.decoder_start.value_or(options_.decoder_start_token));
    row.history.insert(row.history.end(), prompt.begin(), prompt.end());
  }
  if (kept.params.beam_search()) sequence->search.emplace(&kept.params, tokenizer_);
  if (kept.deadline) deadlines_.emplace(*kept.deadline, id);
  waiting_.emplace(sequence->key, sequence.get());
  const bool is_new = sequences_.emplace(id, std::move(sequence)).second;
  Require(is_new, "Scheduler::Add with an id that is in use");
  ++counters_.requests_submitted;
  return absl::OkStatus();
}

void Scheduler::Cancel(RequestId id) {
  if (Find(id) != nullptr) cancelled_.push_back(id);
}

void Scheduler::EndDue(TimePoint now) {
  for (const RequestId id : cancelled_) {
    Sequence* const sequence = Find(id);
    if (sequence != nullptr) End(sequence, absl::CancelledError("the request was cancelled"));
  }
  cancelled_.clear();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Sequence* const sequence = Find(deadlines_.begin()->second);
    const std::string progress = sequence->admitted
                                     ? absl::StrCat("after ", TokensGenerated(*sequence), " tokens")
                                     : "while the request was waiting";
    End(sequence, absl::DeadlineExceededError(absl::StrCat("the deadline passed ", progress)));
  }
}

void Scheduler::Update(const StepResult& result, TimePoint now) {
  if (in_flight_.empty() || in_flight_.front().id != result.id) return;
  const InFlight step = std::move(in_flight_.front());
  in_flight_.pop_front();
  Require(step.rows.size() == result.rows.size() && step.searches.size() == result.beams.size() &&
              step.scored.size() == result.target_logprobs.size(),
          "a step's result has not the rows of its plan");

  counters_.step_ms += Milliseconds(result.step_time);
  deliveries_.reserve(deliveries_.size() + step.rows.size());
  if (!step.rows.empty() && !step.awaits_encoder) encodings_.NoteStepTime(result.step_time);
  if (result.encoded > 0) TakeEncoding(result, now);
  for (size_t i = 0; i < step.rows.size(); ++i) {
    const auto [id, row] = step.rows[i];
    Sequence* const sequence = Find(id);
    if (sequence == nullptr || sequence->search || sequence->request.scores()) continue;
    TakeToken(sequence, row, result.rows[i]);
    if (sequence->live_rows() == 0) End(sequence, MakeResult(sequence, now));
  }
  size_t first_row = 0;
  for (size_t i = 0; i < step.searches.size(); ++i) {
    while (step.rows[first_row].first != step.searches[i]) ++first_row;
    Sequence* const sequence = Find(step.searches[i]);
    if (sequence == nullptr) continue;
    const auto rows = absl::MakeConstSpan(result.rows).subspan(first_row, sequence->rows.size());
    TakeCandidates(sequence, result.beams[i], rows, now);
  }
  for (size_t i = 0; i < step.scored.size(); ++i) {
    const auto [id, row] = step.scored[i];
    Sequence* const sequence = Find(id);
    if (sequence == nullptr) continue;
    TakeScores(sequence, row, result.target_logprobs[i]);
    if (sequence->live_rows() == 0) End(sequence, MakeResult(sequence, now));
  }
}

void Scheduler::TakeEncoding(const StepResult& result, TimePoint now) {
  const Encoding done = encodings_.Take(result.encoded, result.encode_time);
  Require(done.states.size() == result.states.size(), "a result has not the states of its step");
  counters_.encode_ms += Milliseconds(result.encode_time);
  for (const RequestId id : done.requests) {
    Sequence* const sequence = Find(id);
    if (sequence != nullptr) sequence->encode_time += result.encode_time;
  }
  for (size_t i = 0; i < done.states.size(); ++i) {
    Sequence* const sequence = Find(done.states[i]);
    if (sequence == nullptr) continue;
    Result states = MakeResult(sequence, now);
    states.states = result.states[i];
    End(sequence, std::move(states));
  }
}

void Scheduler::TakeCandidates(Sequence* sequence, absl::Span<const BeamCandidate> candidates,
                               absl::Span<const GeneratedToken> rows, TimePoint now) {
  for (Row& row : sequence->rows) --row.in_flight;
  if (std::exchange(sequence->astray, false)) return;
  BeamSearch& search = *sequence->search;
  search.Advance(candidates, rows);
  const int32_t outputs = sequence->request.params.num_sequences;
  counters_.tokens_generated += outputs;
  if (search.finished()) {
    End(sequence, MakeResult(sequence, now));
    return;
  }
  TakePasts(search, &sequence->rows);
  sequence->astray = !search.follows_device() && sequence->rows[0].in_flight > 0;
  const std::vector<GeneratedToken> settled = search.TakeSettled();
  if (settled.empty()) return;
  for (int32_t output = 0; output < outputs; ++output) {
    Deliver(sequence->id, {output, {settled.begin(), settled.end()}}, &deliveries_);
  }
}

void Scheduler::TakeScores(Sequence* sequence, int32_t index, absl::Span<const float> logprobs) {
  Row& row = sequence->rows[index];
  --row.in_flight;
  for (size_t i = 0; i < logprobs.size(); ++i) {
    row.score += logprobs[i];
    row.generated.push_back({row.target[i], logprobs[i], {}});
  }
  row.finish_reason = FinishReason::kLength;
  Withdraw(&row);
}

void Scheduler::TakeToken(Sequence* sequence, int32_t index, const GeneratedToken& token) {
  Row& row = sequence->rows[index];
  --row.in_flight;
  if (row.ended()) return;
  ++counters_.tokens_generated;
  row.score += token.logprob;
  row.finish_reason = row.stopping.Append(token.token);
  if (row.finish_reason == FinishReason::kEos) {
    row.eos = token;
  } else {
    row.history.push_back(token.token);
    row.generated.push_back(token);
    Deliver(sequence->id, {index, {token}}, &deliveries_);
  }
  if (row.ended()) Withdraw(&row);
}

void Scheduler::Withdraw(Row* row) {
  row->blocks.Clear();
  row->computed = row->inherited = 0;
  row->in_step = false;
  if (row->slot >= 0) free_slots_.push_back(std::exchange(row->slot, -1));
}

void Scheduler::End(Sequence* sequence, absl::StatusOr<Result> result) {
  ++(result.ok() ? counters_.requests_finished : counters_.requests_failed);
  for (Row& row : sequence->rows) Withdraw(&row);
  (sequence->running ? running_ : waiting_).erase(sequence->key);
  if (sequence->request.deadline) {
    deadlines_.erase({*sequence->request.deadline, sequence->id});
  }
  deliveries_.push_back({sequence->id, std::move(result)});
  sequences_.erase(sequence->id);
}

void Scheduler::FailAll(const absl::Status& status) {
  Require(!status.ok(), "Scheduler::FailAll without an error");
  while (!running_.empty()) End(running_.begin()->second, status);
  while (!waiting_.empty()) End(waiting_.begin()->second, status);
  cancelled_.clear();
  in_flight_.clear();
  encodings_.Clear();
  sources_->Clear();
}

EngineStats Scheduler::stats() const {
  EngineStats stats = counters_;
  stats.requests_waiting = static_cast<int64_t>(waiting_.size());
  stats.requests_running = static_cast<int64_t>(running_.size());
  stats.rows_running = options_.max_rows - static_cast<int64_t>(free_slots_.size());
  stats.blocks_total = pool_->num_blocks();
  stats.blocks_used = pool_->num_used();
  stats.blocks_cached = sources_->idle_blocks();
  return stats;
}

Sequence* Scheduler::Find(RequestId id) const {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : found->second.get();
}

}  // namespace transept
