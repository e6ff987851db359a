#include "kernels/cuda/select.h"

#include <algorithm>

#include "kernels/cuda/beam_select.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/process_logits.cuh"
#include "kernels/cuda/row_batch.cuh"
#include "kernels/cuda/row_summary.cuh"
#include "kernels/cuda/sample.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kFeedThreads = 256;
constexpr int kChooseBlocks = 2;  // of Choose on a multiprocessor at a time

// Grid: rows by warps.
__global__ void __launch_bounds__(kFeedThreads) Feed(const TokenFeed feed) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t row = (int64_t{blockIdx.x} * kFeedThreads + threadIdx.x) / 32;
  if (row >= feed.num_rows) return;
  const RowChoice& choice = feed.rows[row];
  const int64_t slot_begin = choice.slot * feed.slots.history_stride;
  int32_t* history = feed.slots.history + slot_begin;
  int32_t begin = feed.query_offsets[row];
  const int32_t end = feed.query_offsets[row + 1];
  int32_t writer = 0;
  if (begin == end) {
    writer = -static_cast<int32_t>(choice.hypothesis);
    begin = feed.query_offsets[row + writer];
  }
  for (int32_t i = begin + threadIdx.x % 32; i < end; i += 32) {
    const int32_t token = feed.token_ids[i];
    if (token < 0) {
      feed.token_ids[i] = history[feed.positions[i]];
    } else {
      history[feed.positions[i]] = token;
      if (choice.beams > 0) feed.slots.beam_scores[choice.slot] = choice.beam_score;
    }
    if (choice.beams > 0) feed.slots.ancestry[slot_begin + feed.positions[i]] = writer;
  }
}

struct Parameters {
  TokenChoice choice;
  ChoicePlan plan;
};

__device__ void ReportTop(const float* scores, int vocab, int count, const Summary& total,
                          SelectScratch& scratch, ScoredToken* top) {
  const uint32_t bound = BoundOfLargest(scores, vocab, count, scratch);
  const Tokens tokens = Gather(scores, vocab, bound, scratch);
  unsigned long long best = ~0ull;
  for (int i = 0; i < count && best != 0; ++i) {
    best = NextBest(tokens, best, scratch);
    if (threadIdx.x > 0) continue;
    top[i].token = best == 0 ? -1 : static_cast<int32_t>(~static_cast<uint32_t>(best));
    top[i].logprob = total.LogProb(ScoreOf(static_cast<uint32_t>(best >> 32)));
  }
}

// By the row's last block, once its scores are processed: a whole row of them.
__device__ void Finish(const TokenChoice& c, const RowChoice& choice, const Summary& total,
                       SelectScratch& scratch) {
  const int64_t row = blockIdx.y;
  const float* scores = static_cast<const float*>(c.logits.data) + row * c.logits.stride;
  const int vocab = static_cast<int>(c.logits.width);
  if (choice.top_tokens > 0) {
    ReportTop(scores, vocab, choice.top_tokens, total, scratch,
              c.top + int64_t{choice.result} * kMaxTopTokens);
  }
  int32_t token = total.max > -INFINITY ? total.argmax : 0;
  float score = total.max;
  if (choice.sample && isfinite(total.max)) {
    token = SampleToken(choice, scores, vocab, total.max, scratch);
    score = __ldcg(scores + token);
  }
  if (threadIdx.x > 0) return;
  c.chosen[choice.result] = {token, total.LogProb(score)};
  if (choice.length < c.slots.history_stride) {
    c.slots.history[choice.slot * c.slots.history_stride + choice.length] = token;
  }
}

// Grid: (splits, rows). Each block processes and sums up a part of a row; the last one to end
// chooses. A plain greedy row costs that one pass. A part of a row in beam search leaves its best,
// and is held in registers.
__global__ void __launch_bounds__(kSelectThreads, kChooseBlocks) Choose(const Parameters p) {
  LetSuccessorStart();
  // The parts' processing and the row's selection take turns in this memory.
  __shared__ union {
    uint32_t seen[kMaxPartWords];
    SelectScratch selection;
  } shared;
  const TokenChoice& c = p.choice;
  const RowChoice& choice = CopyOf(c.rows[blockIdx.y]);
  const RowPart part = PartOf(c.logits, blockIdx.y);
  const bool processes = Processes(choice) && !choice.on_log_probs;
  // Whether the scores are normalised as they are processed, and not before.
  const bool first = choice.beams == 0 || choice.renormalize || choice.forced_token >= 0;
  const bool summed_up = c.summaries != nullptr && IsPlain(choice);
  if (summed_up && blockIdx.x > 0) return;
  WaitForPredecessor();
  Summary total;
  if (summed_up) {
    total = TotalOf(c.summaries + int64_t{blockIdx.y} * c.summary_parts, c.summary_parts);
  } else {
    if (processes && first) ProcessLogits(part, c.slots, choice, shared.seen);
    RowBatch batch;
    const Summary mine = Summarize(part, batch);
    if (choice.beams > 0) {
      if (threadIdx.x == 0) p.plan.parts.Leave(blockIdx.y, mine);
      if (choice.on_log_probs) return;
      if (processes && !first) {
        ProcessLogits(part, c.slots, choice, shared.seen);
        batch.Read(part, part.begin);
      }
      LeaveBest(batch, blockIdx.y, choice.beam_candidates, p.plan);
      return;
    }
    if (!p.plan.parts.ArrivesLast(blockIdx.y, mine)) return;
    total = p.plan.parts.Total(blockIdx.y, static_cast<int>(gridDim.x));
  }
  Finish(c, choice, total, shared.selection);  // its code stands here alone, and is long
}

// How many blocks share a row: as many as are done with all rows soonest.
int64_t SplitsOf(const TokenChoice& choice, const Device& device) {
  // What else a block does takes about as long as to read so many scores.
  constexpr int64_t kOverhead = 8192;
  constexpr int64_t kLeastPart = 2048, kLeastBeamPart = 4096;
  const int64_t width = choice.logits.width;
  const bool beams = choice.continuations != nullptr;
  const auto parts_of = [&](int64_t size) { return (width + size - 1) / size; };
  const int64_t fewest = parts_of(beams ? kBatch : kMaxPart);
  const int64_t most = std::max(fewest, parts_of(beams ? kLeastBeamPart : kLeastPart));
  const int64_t at_once = int64_t{kChooseBlocks} * device.multiprocessors();
  const auto time = [&](int64_t splits) {
    const int64_t waves = (choice.num_rows * splits + at_once - 1) / at_once;
    return waves * (kOverhead + (width + splits - 1) / splits);
  };
  int64_t best = fewest;
  for (int64_t splits = fewest + 1; splits <= most; ++splits) {
    if (time(splits) < time(best)) best = splits;
  }
  return best;
}

ChoicePlan PlanChoice(const TokenChoice& choice, Device& device) {
  constexpr int64_t kMostCandidates = 256;  // of a part: far more than are expected
  const int64_t splits = SplitsOf(choice, device);
  const int64_t parts = std::max<int64_t>(choice.num_rows, 1) * splits;
  auto* const summaries = static_cast<Summary*>(device.workspace());
  ChoicePlan plan{.splits = static_cast<unsigned>(splits)};
  plan.parts = {summaries, device.counters()};
  if (choice.continuations == nullptr) return plan;
  plan.processed = {summaries + parts, device.counters()};
  constexpr int64_t kFixed = 2 * sizeof(Summary) + sizeof(PartBest);
  static_assert(2 * sizeof(Summary) % alignof(PartBest) == 0 && sizeof(Candidate) == 8);
  plan.found = reinterpret_cast<PartBest*>(summaries + 2 * parts);
  plan.candidates = reinterpret_cast<Candidate*>(plan.found + parts);
  const int64_t room = static_cast<int64_t>(Device::kWorkspaceBytes) / parts - kFixed;
  plan.capacity =
      static_cast<int>(std::min(kMostCandidates, room / static_cast<int64_t>(sizeof(Candidate))));
  return plan;
}

// Grid: rows.
__global__ void __launch_bounds__(kSelectThreads) Score(const TokenScoring scoring) {
  LetSuccessorStart();
  WaitForPredecessor();
  RowPart row;
  row.scores =
      static_cast<float*>(scoring.logits.data) + int64_t{blockIdx.x} * scoring.logits.stride;
  row.begin = 0;
  row.end = static_cast<int>(scoring.logits.width);
  RowBatch batch;
  const Summary total = Summarize(row, batch);
  if (threadIdx.x > 0) return;
  scoring.logprobs[blockIdx.x] = total.LogProb(row.scores[scoring.tokens[blockIdx.x]]);
}

}  // namespace

void FeedTokens(const TokenFeed& feed, Device& device) {
  constexpr int kRows = kFeedThreads / 32;
  Launch(device, "feeding tokens",
         {dim3(static_cast<unsigned>((feed.num_rows + kRows - 1) / kRows)), kFeedThreads}, Feed,
         feed);
}

void ChooseTokens(const TokenChoice& choice, Device& device) {
  const ChoicePlan plan = PlanChoice(choice, device);
  Launch(device, "choosing tokens",
         {dim3(plan.splits, static_cast<unsigned>(choice.num_rows)), kSelectThreads}, Choose,
         Parameters{choice, plan});
  if (choice.continuations != nullptr) ChooseBeams(choice, plan, device);
}

void ScoreTokens(const TokenScoring& scoring, Device& device) {
  Launch(device, "scoring tokens", {dim3(static_cast<unsigned>(scoring.num_rows)), kSelectThreads},
         Score, scoring);
}

}  // namespace transept::kernels::cuda
