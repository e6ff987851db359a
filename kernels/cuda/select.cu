#include "kernels/cuda/select.h"

#include <algorithm>

#include "kernels/cuda/beam_select.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/process_logits.cuh"
#include "kernels/cuda/row_summary.cuh"
#include "kernels/cuda/sample.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kFeedThreads = 256;

// Grid: rows by warps.
__global__ void __launch_bounds__(kFeedThreads) Feed(const TokenFeed feed) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t row = (int64_t{blockIdx.x} * kFeedThreads + threadIdx.x) / 32;
  if (row >= feed.num_rows) return;
  const RowChoice& choice = feed.rows[row];
  const int64_t slot_begin = choice.slot * feed.slots.history_stride;
  int32_t* history = feed.slots.history + slot_begin;
  const int32_t end = feed.query_offsets[row + 1];
  for (int32_t i = feed.query_offsets[row] + threadIdx.x % 32; i < end; i += 32) {
    const int32_t token = feed.token_ids[i];
    if (token < 0) {
      feed.token_ids[i] = history[feed.positions[i]];
    } else {
      history[feed.positions[i]] = token;
      if (choice.beams > 0) feed.slots.beam_scores[choice.slot] = choice.beam_score;
    }
    if (choice.beams > 0) feed.slots.ancestry[slot_begin + feed.positions[i]] = 0;
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
__device__ void Finish(const TokenChoice& c, const Summary& total, SelectScratch& scratch) {
  const int64_t row = blockIdx.y;
  const RowChoice& choice = c.rows[row];
  const float* scores = static_cast<const float*>(c.logits.data) + row * c.logits.stride;
  const int vocab = static_cast<int>(c.logits.width);
  if (choice.top_tokens > 0) {
    ReportTop(scores, vocab, choice.top_tokens, total, scratch, c.top + row * kMaxTopTokens);
  }
  int32_t token = total.max > -INFINITY ? total.argmax : 0;
  float score = total.max;
  if (choice.sample && isfinite(total.max)) {
    token = SampleToken(choice, scores, vocab, total.max, scratch);
    score = __ldcg(scores + token);
  }
  if (threadIdx.x > 0) return;
  c.chosen[row] = {token, total.LogProb(score)};
  if (choice.length < c.slots.history_stride) {
    c.slots.history[choice.slot * c.slots.history_stride + choice.length] = token;
  }
}

// Grid: (splits, rows). Each block processes and sums up a part of a row; the last one to end
// chooses. A plain greedy row costs that one pass. Rows in beam search are only summed up.
__global__ void __launch_bounds__(kSelectThreads, 2) Choose(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  // The parts' processing and the row's selection take turns in this memory.
  __shared__ union {
    uint32_t seen[kMaxPartWords];
    SelectScratch selection;
  } shared;
  const TokenChoice& c = p.choice;
  const RowChoice& choice = c.rows[blockIdx.y];
  const RowPart part = PartOf(c.logits);
  if (!choice.on_log_probs) ProcessLogits(part, c.slots, choice, shared.seen);
  if (!p.plan.parts.ArrivesLast(Summarize(part))) return;
  const Summary total = p.plan.parts.Total();
  if (choice.beams == 0) {
    Finish(c, total, shared.selection);
  } else if (threadIdx.x == 0) {
    p.plan.totals[blockIdx.y] = total;
  }
}

// Beam search reads a row several times: parts of this size stay in the second-level cache.
constexpr int64_t kCachedPart = 1 << 14;

ChoicePlan PlanChoice(const TokenChoice& choice, Device& device) {
  const int64_t rows = std::max<int64_t>(choice.num_rows, 1);
  const auto parts_of = [&](int64_t size) { return (choice.logits.width + size - 1) / size; };
  const bool beams = choice.continuations != nullptr;
  const int64_t best_bytes = beams ? kMaxContinuations * sizeof(ScoredKey) : 0;
  const int64_t room = Device::kWorkspaceBytes / rows - sizeof(Summary);
  const int64_t fewest = parts_of(kMaxPart);
  int64_t splits = std::clamp<int64_t>(2 * device.multiprocessors() / rows, fewest,
                                       std::max<int64_t>(fewest, 32));
  if (beams) splits = std::max(splits, parts_of(kCachedPart));
  splits =
      std::max(fewest, std::min<int64_t>(splits, room / (best_bytes + int64_t{sizeof(Summary)})));

  ChoicePlan plan{.splits = static_cast<unsigned>(splits)};
  auto* const best = static_cast<ScoredKey*>(device.workspace());
  if (beams) plan.best = best;
  plan.parts = {reinterpret_cast<Summary*>(best + rows * splits * best_bytes / sizeof(ScoredKey)),
                device.counters()};
  plan.totals = plan.parts.parts + rows * splits;
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
  const Summary total = Summarize(row);
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
