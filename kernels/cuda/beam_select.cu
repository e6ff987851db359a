// Two launches: processors that need log-probabilities, and draws from what they leave; and for
// each request the best of what its rows' parts left, which become its rows.
#include "kernels/cuda/beam_select.cuh"

#include <algorithm>

#include "kernels/cuda/draw_beam.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/process_logits.cuh"

namespace transept::kernels::cuda {
namespace {

struct Parameters {
  TokenChoice choice;
  ChoicePlan plan;
};

// Processors and draws take turns in this memory.
union RowScratch {
  uint32_t seen[kMaxPartWords];
  DrawScratch draw;
};

// By the row's last block, once its scores are processed.
__device__ void DrawRow(const Parameters& p, int64_t row, const RowChoice& choice,
                        const RowPart& part, DrawScratch& scratch) {
  const int splits = static_cast<int>(gridDim.x), thread = static_cast<int>(threadIdx.x);
  const float before = p.choice.slots.beam_scores[choice.slot];
  const auto vocab = static_cast<int>(p.choice.logits.width);
  const int known =
      DrawBeam(choice, part.scores, vocab, p.plan.processed, row, before, p.choice.top, scratch);
  // What was drawn fills the places of the row's parts one after the other.
  const int64_t first_part = row * splits;
  if (thread < known) {
    const ScoredKey key = scratch.keys.best[thread];
    p.plan.candidates[first_part * p.plan.capacity + thread] = {ScoreOf(OrderOfKey(key)),
                                                                static_cast<int32_t>(IndexOf(key))};
  }
  for (int i = thread; i < splits; i += kSelectThreads) {
    const int size = min(max(known - i * p.plan.capacity, 0), p.plan.capacity);
    p.plan.found[first_part + i] = {size, -INFINITY};
  }
}

// The block's part of a row that is worked on as log-probabilities; and of one that is drawn, by
// the last block to end, the draw.
__device__ void ProcessPart(const Parameters& p, int64_t row, RowScratch& scratch) {
  const RowChoice& choice = CopyOf(p.choice.rows[row]);
  const RowPart part = PartOf(p.choice.logits, row);
  const Summary total = p.plan.parts.Total(row, static_cast<int>(gridDim.x));
#pragma unroll 4
  for (int i = part.begin + threadIdx.x; i < part.end; i += kSelectThreads) {
    part.scores[i] = total.LogProb(part.scores[i]);
  }
  __syncthreads();
  ProcessLogits(part, p.choice.slots, choice, scratch.seen);
  RowBatch batch;
  batch.Read(part, part.begin);
  if (choice.renormalize || choice.sample) {
    Summary mine;
    batch.AddTo(&mine);
    const Summary of_part = MergeBlock(mine);
    if (choice.sample) {
      if (p.plan.processed.ArrivesLast(row, of_part)) DrawRow(p, row, choice, part, scratch.draw);
      return;
    }
    if (threadIdx.x == 0) p.plan.processed.Leave(row, of_part);
  }
  LeaveBest(batch, row, choice.beam_candidates, p.plan);
}

// Grid: (splits, rows or fewer). Blocks that find nothing to do leave at once, but for one: a
// kernel must not end before the one in front of it.
__global__ void __launch_bounds__(kSelectThreads, 2) ProcessLogProbs(const Parameters p) {
  LetSuccessorStart();
  __shared__ RowScratch scratch;
  const RowChoice* const rows = p.choice.rows;
  const auto num_rows = static_cast<int>(p.choice.num_rows), step = static_cast<int>(gridDim.y);
  bool works = false;
  for (int row = blockIdx.y + threadIdx.x * step; row < num_rows; row += kSelectThreads * step) {
    works = works || rows[row].on_log_probs;
  }
  works = __syncthreads_or(works);
  if (!works && (blockIdx.x > 0 || blockIdx.y > 0)) return;
  WaitForPredecessor();
  if (!works) return;
  for (int row = blockIdx.y; row < num_rows; row += step) {
    if (!rows[row].on_log_probs) continue;
    ProcessPart(p, row, scratch);
    __syncthreads();
  }
}

// How a row's continuations rank: what is worked out once for all of them. Never lower for a larger
// processed score. What was drawn comes with the row's own score, and with noise.
struct RowScores {
  Summary total;
  float log_sum;
  float before;  // the row's own score, or 0 if it was drawn
  bool are_log_probs;

  __device__ float Of(float score) const {
    if (are_log_probs) return score + before;
    if (isinf(total.max)) return total.LogProb(score) + before;
    return score - total.max - log_sum + before;  // may be NaN
  }
};

// By one warp.
__device__ RowScores ScoresOf(const Parameters& p, int64_t row) {
  const RowChoice& choice = p.choice.rows[row];
  const bool forced = choice.forced_token >= 0;
  const bool again = choice.on_log_probs && choice.renormalize;
  const RowParts& parts = again ? p.plan.processed : p.plan.parts;
  RowScores scores;
  scores.total = parts.Total(row, static_cast<int>(p.plan.splits));
  scores.log_sum = logf(scores.total.sum);
  scores.before = choice.sample ? 0.0f : p.choice.slots.beam_scores[choice.slot];
  scores.are_log_probs = choice.sample || ((choice.on_log_probs || forced) && !choice.renormalize);
  return scores;
}

// Reports the alternatives of a row that was not drawn.
__device__ __noinline__ void ReportTop(const RowChoice& choice, const float* logits, int vocab,
                                       RowScores scores, BestKeysScratch& keys, ScoredToken* top) {
  scores.before = 0.0f;
  const int known = FindBest(vocab, choice.top_tokens, keys,
                             [&](int i) { return KeyOf(scores.Of(logits[i]), i); });
  LeaveTop(known, choice, keys, top);
}

// What a request's block works with.
struct Request {
  BestKeysScratch keys;
  RowScores rows[kMaxBeams];
  int32_t slots[kMaxBeams];
  int longest;                     // most candidates of a part
  unsigned go_on[2];               // by rank: whether the continuation is no EOS
  float found[kMaxContinuations];  // by rank: its score, of drawn ones alone
  // The rows as the next step finds them.
  int32_t parents[kMaxBeams];
  int32_t tokens[kMaxBeams];
  float scores[kMaxBeams];
};
static_assert(kMaxBeams <= kSelectWarps && kMaxContinuations <= 64);

// `rows`: of the request, which begin at the block's. Parts are counted over all of them.
__device__ void ReadRows(const Parameters& p, const RowChoice* rows, Request& request) {
  const int beams = rows[0].beams;
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int64_t first = blockIdx.x;
  if (threadIdx.x == 0) request.longest = 0;
  if (threadIdx.x < beams) request.slots[threadIdx.x] = rows[threadIdx.x].slot;
  __syncthreads();
  const int parts = beams * static_cast<int>(p.plan.splits);
  const PartBest* const found = p.plan.found + first * p.plan.splits;
  int longest = 0;
  for (int i = threadIdx.x; i < parts; i += kSelectThreads) longest = max(longest, found[i].size);
  longest = __reduce_max_sync(~0u, longest);
  if (threadIdx.x % 32 == 0) atomicMax(&request.longest, longest);
  if (warp < beams) {
    const RowScores scores = ScoresOf(p, first + warp);
    if (threadIdx.x % 32 == 0) request.rows[warp] = scores;
  }
  __syncthreads();
}

// Leaves the best keys, by the index hypothesis * vocabulary + token, of all that can continue the
// request's rows in `request.keys`, and returns how many they are: all there are, or as many as it
// chooses. Looks at the parts' candidates, and if one of the others might be among the best, at all
// tokens.
__device__ int FindContinuations(const Parameters& p, const RowChoice& choice, Request& request) {
  const int splits = static_cast<int>(p.plan.splits);
  const int parts = choice.beams * splits;
  const int count = choice.beam_candidates;
  const auto vocab = static_cast<int>(p.choice.logits.width);
  const int64_t first_part = int64_t{blockIdx.x} * splits;
  const PartBest* const found = p.plan.found + first_part;
  const Candidate* const candidates = p.plan.candidates + first_part * p.plan.capacity;
  const int longest = request.longest;
  const auto key_of = [&](int row, float score, int token) {
    return KeyOf(request.rows[row].Of(score), static_cast<uint32_t>(row) * vocab + token);
  };
  const int known = FindBest(parts * longest, count, request.keys, [&](int i) -> ScoredKey {
    const int part = i / longest, at = i % longest;
    const Candidate candidate = candidates[int64_t{part} * p.plan.capacity + at];
    if (at >= found[part].size) return 0;
    return key_of(part / splits, candidate.score, candidate.token);
  });
  const uint32_t last = known < count ? 0 : OrderOfKey(request.keys.best[count - 1]);
  bool missed = false;
  for (int part = threadIdx.x; part < parts; part += kSelectThreads) {
    const uint32_t rest = OrderOf(request.rows[part / splits].Of(found[part].rest));
    missed = missed || (rest > 0 && rest >= last);
  }
  if (!__syncthreads_or(missed)) return known;
  const auto* const logits = static_cast<const float*>(p.choice.logits.data);
  return FindBest(choice.beams * vocab, count, request.keys, [&](int i) {
    const int row = i / vocab, token = i % vocab;
    return key_of(row, logits[(int64_t{blockIdx.x} + row) * p.choice.logits.stride + token], token);
  });
}

// The index of the `nth` token, from 0 on, that is impossible, given the `known` that are not.
__device__ uint32_t ImpossibleIndex(const ScoredKey* best, int known, int nth) {
  uint32_t index = nth;
  for (;;) {
    uint32_t next = nth;
    for (int i = 0; i < known; ++i) next += IndexOf(best[i]) <= index;
    if (next == index) return index;
    index = next;
  }
}

__device__ bool IsEos(const RowSlots& slots, int32_t slot, int32_t token) {
  const uint32_t* const words =
      slots.token_sets +
      (slot * kTokenSets + static_cast<int64_t>(TokenSet::kEos)) * slots.set_words;
  return words[token / 32] >> (token % 32) & 1;
}

// What DrawBeam has left there.
__device__ float ScoreInRow(const Parameters& p, const Continuation& drawn) {
  const int64_t row = int64_t{blockIdx.x} + drawn.hypothesis;
  return static_cast<const float*>(
      p.choice.logits.data)[row * p.choice.logits.stride + drawn.token];
}

// How many of the drawn continuations that go on come before that of a rank, by their scores.
__device__ int PlaceByScore(const Request& request, int rank, int count) {
  const float mine = request.found[rank];
  int place = 0;
  for (int i = 0; i < count; ++i) {
    const bool before = request.found[i] > mine || (request.found[i] == mine && i < rank);
    place += before && request.go_on[i / 32] >> (i % 32) & 1;
  }
  return place;
}

// Reports the `known` continuations, and impossible ones behind them, and picks the next rows: the
// best that do not end. Were they fewer than the beams, rows that nothing can continue fill up.
__device__ void PickRows(const Parameters& p, const RowChoice& choice, int known,
                         Request& request) {
  const int rank = static_cast<int>(threadIdx.x), word = rank / 32;
  Continuation found = {0, 0, -INFINITY};
  bool goes_on = false;
  if (rank < choice.beam_candidates) {
    const ScoredKey* const best = request.keys.best;
    const auto vocab = static_cast<uint32_t>(p.choice.logits.width);
    uint32_t index =
        rank < known ? IndexOf(best[rank]) : ImpossibleIndex(best, known, rank - known);
    if (index >= choice.beams * vocab) index = 0;
    found.hypothesis = static_cast<int32_t>(index / vocab);
    found.token = static_cast<int32_t>(index % vocab);
    if (rank < known) {
      found.score = choice.sample ? ScoreInRow(p, found) : ScoreOf(OrderOfKey(best[rank]));
    }
    p.choice.continuations[choice.first_continuation + rank] = found;
    goes_on = !IsEos(p.choice.slots, choice.slot, found.token);
  }
  const unsigned votes = __ballot_sync(~0u, goes_on);
  if (word < 2 && rank % 32 == 0) request.go_on[word] = votes;
  if (choice.sample && rank < choice.beam_candidates) request.found[rank] = found.score;
  __syncthreads();
  const int first = __popc(request.go_on[0]);
  int before = (word > 0 ? first : 0) + __popc(votes & ((1u << rank % 32) - 1));
  if (choice.sample && goes_on) before = PlaceByScore(request, rank, choice.beam_candidates);
  if (goes_on && before < choice.beams) {
    request.parents[before] = found.hypothesis;
    request.tokens[before] = found.token;
    request.scores[before] = found.score;
  }
  if (rank < choice.beams && rank >= first + __popc(request.go_on[1])) {
    request.parents[rank] = rank;
    request.tokens[rank] = 0;
    request.scores[rank] = -INFINITY;
  }
  __syncthreads();
}

// Gives the rows the pasts of those that they continue. Whoever takes a position reads all rows'
// entries before writing the first.
__device__ void TakePasts(const RowSlots& slots, const RowChoice& choice, const Request& request) {
  for (int position = threadIdx.x; position < choice.length; position += kSelectThreads) {
    int32_t tokens[kMaxBeams];
    int writers[kMaxBeams];
#pragma unroll
    for (int row = 0; row < kMaxBeams; ++row) {
      if (row >= choice.beams) continue;
      const int parent = request.parents[row];
      const int64_t from = request.slots[parent] * slots.history_stride + position;
      tokens[row] = slots.history[from];
      writers[row] = parent + slots.ancestry[from];
    }
#pragma unroll
    for (int row = 0; row < kMaxBeams; ++row) {
      if (row >= choice.beams) continue;
      const int64_t to = request.slots[row] * slots.history_stride + position;
      slots.history[to] = tokens[row];
      slots.ancestry[to] = static_cast<int8_t>(writers[row] - row);
    }
  }
}

// Grid: rows. The block of a request's first row works for all of them, each for the alternatives
// that its row reports; the others leave at once, but for one.
__global__ void __launch_bounds__(kSelectThreads) SelectOfRequests(const Parameters p) {
  LetSuccessorStart();
  __shared__ Request request;
  const RowChoice& choice = CopyOf(p.choice.rows[blockIdx.x]);
  const bool works = choice.beams > 0 && choice.hypothesis == 0;
  const bool reports = choice.beams > 0 && choice.top_tokens > 0 && !choice.sample;
  if (!works && !reports && blockIdx.x > 0) return;
  WaitForPredecessor();
  if (reports) {
    const Activations& logits = p.choice.logits;
    ReportTop(choice, static_cast<const float*>(logits.data) + blockIdx.x * logits.stride,
              static_cast<int>(logits.width), ScoresOf(p, blockIdx.x), request.keys, p.choice.top);
  }
  if (!works) return;
  ReadRows(p, p.choice.rows + blockIdx.x, request);
  const int known = FindContinuations(p, choice, request);
  PickRows(p, choice, known, request);
  const RowSlots& slots = p.choice.slots;
  TakePasts(slots, choice, request);
  if (threadIdx.x >= choice.beams) return;
  const int64_t slot = request.slots[threadIdx.x];
  slots.beam_scores[slot] = request.scores[threadIdx.x];
  if (choice.length < slots.history_stride) {
    slots.history[slot * slots.history_stride + choice.length] = request.tokens[threadIdx.x];
  }
}

}  // namespace

void ChooseBeams(const TokenChoice& choice, const ChoicePlan& plan, Device& device) {
  const Parameters parameters{choice, plan};
  const auto rows = static_cast<unsigned>(choice.num_rows);
  // No more blocks than run at once: mostly they have nothing to do.
  const unsigned at_once = 2 * device.multiprocessors() / plan.splits;
  const dim3 parts(plan.splits, std::min(rows, std::max(at_once, 1u)));
  Launch(device, "processing beams", {parts, kSelectThreads}, ProcessLogProbs, parameters);
  Launch(device, "the best of requests", {dim3(rows), kSelectThreads}, SelectOfRequests,
         parameters);
}

}  // namespace transept::kernels::cuda
