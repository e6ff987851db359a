#include "tests/engine/schedule/fake_runner.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/decode/beam_choice.h"
#include "tests/engine/schedule/fake_model.h"

namespace transept {
namespace {

// The rows of plan.rows that choose together with rows[begin].
absl::Span<const RowPlan> GroupOf(absl::Span<const RowPlan> rows, size_t begin) {
  const DecodeParams& params = *rows[begin].params;
  return rows.subspan(begin, params.beam_search() ? params.num_beams : 1);
}

// One past the last position that the row's blocks must hold after this step.
int32_t EndOf(const RowPlan& row) {
  return row.first_position + std::max<int32_t>(1, static_cast<int32_t>(row.tokens.size()));
}

}  // namespace

FakeRunner::FakeRunner(int32_t num_blocks, const SchedulerOptions& options, uint64_t eos_interval)
    : block_size_(options.block_size),
      max_rows_(options.max_rows),
      max_target_positions_(options.max_target_positions),
      encodes_beside_rows_(options.encode_beside_rows),
      eos_interval_(eos_interval),
      cells_(static_cast<size_t>(num_blocks) * block_size_),
      newest_(max_rows_),
      owners_(max_rows_),
      beams_(max_rows_) {}

template <typename... Parts>
void FakeRunner::Expect(bool condition, const RowPlan& row, const Parts&... what) {
  if (condition) return;
  errors_.push_back(absl::StrCat("step ", last_step_, ", request ", row.request, " row ",
                                 row.hypothesis, ": ", what...));
}

StepResult FakeRunner::Launch(const StepPlan& plan) {
  CheckShape(plan);
  last_step_ = plan.id;
  StepResult result;
  result.id = plan.id;
  result.step_time = std::chrono::microseconds(FakeHash(plan.id, 1) % 8);
  if (encodes_beside_rows_) {
    for (Encoding& encoding : encodings_) {
      if (plan.awaits_encoder) Write(&encoding);
    }
    BeginEncoding(plan);
    CheckApart(plan);
    RunRows(plan, &result);
  } else {
    BeginEncoding(plan);
    for (Encoding& encoding : encodings_) Write(&encoding);
    RunRows(plan, &result);
  }
  NameEncoding(&result);
  return result;
}

void FakeRunner::RunRows(const StepPlan& plan, StepResult* result) {
  // As on a device: all rows write before the first one reads.
  for (const RowPlan& row : plan.rows) Feed(row);

  for (size_t i = 0; i < plan.rows.size(); i = result->rows.size()) {
    const RowPlan& row = plan.rows[i];
    if (row.params->beam_search()) {
      const Rows rows = GroupOf(plan.rows, i);
      result->beams.push_back(Search(rows, plan.sources[row.source]));
      result->rows.resize(i + rows.size());
      continue;
    }
    const std::vector<TokenId> source = ReadSource(row, plan.sources[row.source]);
    const std::vector<TokenId> target = ReadTarget(row, absl::MakeConstSpan(&row, 1));
    if (!row.targets.empty()) Score(row, source, result);
    result->rows.push_back(FakeNextToken(source, target, row.hypothesis, eos_interval_));
    newest_[row.slot] = {row.request, row.hypothesis, EndOf(row), result->rows.back().token};
  }
}

void FakeRunner::BeginEncoding(const StepPlan& plan) {
  if (plan.encode.empty()) return;
  Encoding& encoding = encodings_.emplace_back();
  encoding.step = plan.id;
  encoding.results = encodes_beside_rows_ ? static_cast<int32_t>(FakeHash(plan.id, 2) % 5) : 0;
  for (const EncodeItem& item : plan.encode) {
    Encode(item);
    if (item.pooling) {
      encoding.states.push_back(FakeStates(item.source, *item.pooling));
    } else {
      encoding.sources.emplace_back(item.source.begin(), item.source.end());
      encoding.blocks.emplace_back(item.cross_blocks.begin(), item.cross_blocks.end());
    }
  }
}

void FakeRunner::Write(Encoding* encoding) {
  if (std::exchange(encoding->written, true)) return;
  for (size_t i = 0; i < encoding->sources.size(); ++i) {
    const std::vector<TokenId>& source = encoding->sources[i];
    for (int32_t k = 0; k < static_cast<int32_t>(source.size()); ++k) {
      Cell* const cell = At(encoding->blocks[i], k);
      if (cell != nullptr) *cell = {.cross = true, .position = k, .token = source[k]};
    }
  }
}

void FakeRunner::NameEncoding(StepResult* result) {
  if (encodings_.empty()) return;
  Encoding& oldest = encodings_.front();
  if (!oldest.written && oldest.results-- > 0) return;
  Write(&oldest);
  result->encoded = oldest.step;
  result->states = std::move(oldest.states);
  result->encode_time = std::chrono::microseconds(FakeHash(oldest.step, 3) % 20);
  encodings_.pop_front();
}

void FakeRunner::CheckShape(const StepPlan& plan) {
  if (plan.id <= last_step_) errors_.push_back(absl::StrCat("step ", plan.id, " is out of order"));
  std::set<int32_t> slots;
  std::set<std::pair<RequestId, int32_t>> rows;
  int32_t source = 0;
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const RowPlan& row = plan.rows[i];
    if (i > 0 && row.request != plan.rows[i - 1].request) ++source;
    Expect(row.source == source, row, "source ", row.source, " is not ", source);
    Expect(row.slot >= 0 && row.slot < max_rows_, row, "slot ", row.slot);
    Expect(slots.insert(row.slot).second, row, "slot ", row.slot, " is taken twice");
    Expect(rows.emplace(row.request, row.hypothesis).second, row, "is planned twice");
    if (row.params->beam_search() && row.hypothesis == 0) CheckSearch(GroupOf(plan.rows, i));
  }
  if (!plan.rows.empty()) ++source;
  if (static_cast<int32_t>(plan.sources.size()) != source) {
    errors_.push_back(absl::StrCat("step ", plan.id, " has ", plan.sources.size(), " sources"));
  }
}

// The rows of a search are all there, in order and fed alike.
void FakeRunner::CheckSearch(Rows rows) {
  const RowPlan& first = rows[0];
  Expect(static_cast<int32_t>(rows.size()) == first.params->num_beams, first, "has lost beams");
  const bool afresh = first.first_position == 0 && first.tokens == first.history;
  Expect(afresh || !first.shared_past, first, "shares a past that is not fed");
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool in_place =
        rows[i].request == first.request && rows[i].hypothesis == static_cast<int32_t>(i);
    Expect(in_place, first, "is not followed by beam ", i);
    const bool alike = rows[i].tokens.size() == first.tokens.size() &&
                       rows[i].first_position == first.first_position;
    Expect(alike, rows[i], "is not fed like the first beam");
    const bool shares = rows[i].shared_past && rows[i].tokens == first.tokens;
    Expect(shares == first.shared_past, rows[i], "does not have the first beam's past");
  }
}

void FakeRunner::CheckApart(const StepPlan& plan) {
  std::set<BlockId> written;
  for (const Encoding& encoding : encodings_) {
    if (encoding.written) continue;
    for (const auto& blocks : encoding.blocks) written.insert(blocks.begin(), blocks.end());
  }
  for (const RowPlan& row : plan.rows) {
    for (const auto blocks : {row.blocks, plan.sources[row.source].cross_blocks}) {
      for (const BlockId block : blocks) {
        Expect(!written.contains(block), row, "block ", block, " is being written");
      }
    }
  }
}

FakeRunner::Cell* FakeRunner::At(absl::Span<const BlockId> blocks, int32_t position) {
  const size_t index = position / block_size_;
  if (index >= blocks.size()) return nullptr;
  const int64_t slot = int64_t{blocks[index]} * block_size_ + position % block_size_;
  return slot < 0 || slot >= static_cast<int64_t>(cells_.size()) ? nullptr : &cells_[slot];
}

void FakeRunner::Score(const RowPlan& row, absl::Span<const TokenId> source, StepResult* result) {
  Expect(row.first_position == 0 && row.targets.size() == row.tokens.size(), row, "is fed ",
         row.tokens.size(), " tokens for ", row.targets.size(), " targets");
  std::vector<float>& logprobs = result->target_logprobs.emplace_back();
  for (size_t i = 0; i < row.targets.size() && i < row.tokens.size(); ++i) {
    std::vector<TokenId> target(row.tokens.begin(), row.tokens.begin() + i + 1);
    target.push_back(row.targets[i]);
    logprobs.push_back(FakeLogprob(source, target));
  }
}

void FakeRunner::Encode(const EncodeItem& item) {
  ++sources_encoded_;
  const auto length = static_cast<int32_t>(item.source.size());
  const int32_t blocks = item.pooling ? 0 : (length + block_size_ - 1) / block_size_;
  if (static_cast<int32_t>(item.cross_blocks.size()) != blocks) {
    errors_.push_back(absl::StrCat("a source of ", length,
                                   ", for its states: ", item.pooling.has_value(), ", has ",
                                   item.cross_blocks.size(), " blocks"));
  }
}

void FakeRunner::Feed(const RowPlan& row) {
  const std::pair<RequestId, int32_t> owner(row.request, row.hypothesis);
  if (row.starts()) owners_[row.slot] = owner;
  Expect(owners_[row.slot] == owner, row, "has never started at slot ", row.slot);
  std::vector<TokenId> tokens(row.tokens.begin(), row.tokens.end());
  if (tokens.empty()) {
    const Newest& newest = newest_[row.slot];
    Expect(newest.request == row.request && newest.hypothesis == row.hypothesis &&
               newest.position == row.first_position,
           row, "slot ", row.slot, " holds no token for position ", row.first_position);
    tokens = {newest.token};
  }
  Expect(max_target_positions_ == 0 || EndOf(row) <= max_target_positions_, row,
         "is fed up to position ", EndOf(row));
  if (row.params->beam_search()) FeedBeam(row);
  if (row.tokens_computed() == 0) return;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t position = row.first_position + static_cast<int32_t>(i);
    Cell* const cell = At(row.blocks, position);
    Expect(cell != nullptr, row, "no block for position ", position);
    if (cell == nullptr) continue;
    *cell = {false, row.request, row.hypothesis, position, tokens[i], last_step_};
  }
}

void FakeRunner::FeedBeam(const RowPlan& row) {
  Beam& beam = beams_[row.slot];
  if (row.first_position == 0) {
    beam = {.score = row.beam_score, .writers = {}};
  } else if (!row.tokens.empty()) {
    Expect(beam.score == row.beam_score, row, "is fed with score ", row.beam_score, " after ",
           beam.score);
  }
  const auto begin = static_cast<size_t>(row.first_position);
  Expect(beam.writers.size() == begin, row, "has a past of ", beam.writers.size());
  beam.writers.resize(EndOf(row), row.shared_past ? 0 : row.hypothesis);
}

// The past of every beam comes with it.
std::vector<BeamCandidate> FakeRunner::Search(Rows rows, const SourceView& source) {
  std::vector<std::vector<TokenId>> targets;
  std::vector<Beam> before;
  std::vector<float> scores;
  for (const RowPlan& row : rows) {
    targets.push_back(ReadTarget(row, rows));
    before.push_back(beams_[row.slot]);
    scores.push_back(before.back().score);
  }
  const DecodeParams& params = *rows[0].params;
  std::vector<BeamCandidate> candidates =
      FakeContinuations(params, ReadSource(rows[0], source), targets, scores, eos_interval_);
  const std::vector<int32_t> next = NextBeams(params, candidates);
  for (size_t i = 0; i < next.size(); ++i) {
    const BeamCandidate& chosen = candidates[next[i]];
    const RowPlan& row = rows[i];
    beams_[row.slot] = {chosen.score, before[chosen.hypothesis].writers};
    newest_[row.slot] = {row.request, row.hypothesis, EndOf(row), chosen.token};
  }
  return candidates;
}

std::vector<TokenId> FakeRunner::ReadTarget(const RowPlan& row, Rows rows) {
  std::vector<TokenId> target;
  const bool is_beam = row.params->beam_search();
  for (int32_t position = 0; position < EndOf(row); ++position) {
    const RowPlan& writer = is_beam ? rows[beams_[row.slot].writers[position]] : row;
    const Cell* const cell = At(writer.blocks, position);
    const bool inherited = position < row.inherited && cell != nullptr && cell->step < last_step_;
    const bool own = cell != nullptr && !cell->cross && cell->request == row.request &&
                     (inherited || cell->hypothesis == writer.hypothesis) &&
                     cell->position == position;
    Expect(own, row, "position ", position, " does not hold the row's K/V");
    target.push_back(own ? cell->token : -1);
  }
  // With a token pending it is not known yet which past a beam has.
  const bool unknown = is_beam && row.tokens.empty();
  const size_t known = unknown ? row.prompt_length : std::min(target.size(), row.history.size());
  Expect(absl::MakeConstSpan(target).subspan(0, known) == row.history.subspan(0, known), row,
         "the pages hold another history");
  Expect(row.history.size() + (row.tokens.empty() ? 1 : 0) == target.size(), row, "history has ",
         row.history.size(), " tokens at length ", target.size());
  return target;
}

std::vector<TokenId> FakeRunner::ReadSource(const RowPlan& row, const SourceView& source) {
  std::vector<TokenId> tokens;
  for (int32_t i = 0; i < source.length; ++i) {
    const Cell* const cell = At(source.cross_blocks, i);
    const bool written = cell != nullptr && cell->cross && cell->position == i;
    Expect(written, row, "source position ", i, " is not written");
    tokens.push_back(written ? cell->token : -1);
  }
  const auto request = requests_.find(row.request);
  const bool known = request != requests_.end();
  Expect(known, row, "no such request");
  Expect(known && tokens == request->second->source, row, "the pages hold another source");
  return tokens;
}

void FakeRunner::Scramble() {
  std::fill(cells_.begin(), cells_.end(), Cell{});
  std::fill(newest_.begin(), newest_.end(), Newest{});
  std::fill(beams_.begin(), beams_.end(), Beam{});
  encodings_.clear();
}

}  // namespace transept
