// Three launches: processors that need log-probabilities, the best continuations of each part of a
// row, and for each request the best of those, which become its rows.
#include "kernels/cuda/beam_select.cuh"

#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

struct Parameters {
  TokenChoice choice;
  ChoicePlan plan;
};

// Grid: (splits, rows).
__global__ void __launch_bounds__(kSelectThreads, 2) ProcessLogProbs(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  __shared__ uint32_t seen[kMaxPartWords];
  const RowChoice& choice = p.choice.rows[blockIdx.y];
  if (!choice.on_log_probs) return;
  const RowPart part = PartOf(p.choice.logits);
  Summary* const total = p.plan.totals + blockIdx.y;
  const Summary before = *total;
  for (int i = part.begin + threadIdx.x; i < part.end; i += kSelectThreads) {
    part.scores[i] = before.LogProb(part.scores[i]);
  }
  __syncthreads();
  ProcessLogits(part, p.choice.slots, choice, seen);
  if (!choice.renormalize || !p.plan.parts.ArrivesLast(Summarize(part))) return;
  const Summary after = p.plan.parts.Total();
  if (threadIdx.x == 0) *total = after;
}

// How a row's continuations score: what is worked out once for all of them.
struct RowScores {
  Summary total;
  float log_sum;
  float before;  // the row's own score
  bool are_log_probs;

  __device__ RowScores(const Parameters& p, int64_t row)
      : total(p.plan.totals[row]),
        log_sum(logf(total.sum)),
        before(p.choice.slots.beam_scores[p.choice.rows[row].slot]),
        are_log_probs(p.choice.rows[row].on_log_probs && !p.choice.rows[row].renormalize) {}

  __device__ float Of(float score) const {
    if (are_log_probs) return score + before;
    if (isinf(total.max)) return total.LogProb(score) + before;
    return score - total.max - log_sum + before;  // may be NaN
  }
};

// Grid: (splits, rows).
__global__ void __launch_bounds__(kSelectThreads, 4) SelectOfRows(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  __shared__ BestKeysScratch scratch;
  const RowChoice& choice = p.choice.rows[blockIdx.y];
  if (choice.beams == 0) return;
  const RowPart part = PartOf(p.choice.logits);
  const RowScores scores(p, blockIdx.y);
  const uint32_t first = choice.hypothesis * static_cast<uint32_t>(p.choice.logits.width);
  const auto key = [&](int i) {
    const int token = part.begin + i;
    return KeyOf(scores.Of(__ldcg(part.scores + token)), first + token);
  };
  ScoredKey* const best =
      p.plan.best + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * kMaxContinuations;
  EmitBest(part.end - part.begin, choice.beam_candidates, scratch, key,
           [&](int rank, ScoredKey found) { best[rank] = found; });
}

// A request's rows, as its next step finds them.
struct NextRows {
  int32_t parents[kMaxBeams];
  int32_t tokens[kMaxBeams];
  float scores[kMaxBeams];
};

__device__ bool IsEos(const RowSlots& slots, int32_t slot, int32_t token) {
  const uint32_t* const words =
      slots.token_sets +
      (slot * kTokenSets + static_cast<int64_t>(TokenSet::kEos)) * slots.set_words;
  return words[token / 32] >> (token % 32) & 1;
}

// What a request found.
struct Found {
  Continuation continuations[kMaxContinuations];
  bool ends[kMaxContinuations];  // whether the token is an EOS
};

// The first continuations that do not end, by one thread. Were they fewer than the beams, rows that
// nothing can continue would fill up.
__device__ void PickRows(const RowChoice& choice, const Found& all, NextRows* next) {
  const Continuation* const found = all.continuations;
  int rows = 0;
  for (int i = 0; i < choice.beam_candidates && rows < choice.beams; ++i) {
    if (all.ends[i]) continue;
    next->parents[rows] = found[i].hypothesis;
    next->tokens[rows] = found[i].token;
    next->scores[rows++] = found[i].score;
  }
  for (; rows < choice.beams; ++rows) {
    next->parents[rows] = rows;
    next->tokens[rows] = 0;
    next->scores[rows] = -INFINITY;
  }
}

// Gives the rows the pasts of those that they continue. `rows`: of the request. Whoever takes a
// position reads all rows' entries before writing the first.
__device__ void TakePasts(const RowSlots& slots, const RowChoice* rows, const NextRows& next) {
  const int beams = rows[0].beams;
  for (int position = threadIdx.x; position < rows[0].length; position += kSelectThreads) {
    int32_t tokens[kMaxBeams];
    int writers[kMaxBeams];
#pragma unroll
    for (int row = 0; row < kMaxBeams; ++row) {
      if (row >= beams) continue;
      const int parent = next.parents[row];
      const int64_t from = rows[parent].slot * slots.history_stride + position;
      tokens[row] = slots.history[from];
      writers[row] = parent + slots.ancestry[from];
    }
#pragma unroll
    for (int row = 0; row < kMaxBeams; ++row) {
      if (row >= beams) continue;
      const int64_t to = rows[row].slot * slots.history_stride + position;
      slots.history[to] = tokens[row];
      slots.ancestry[to] = static_cast<int8_t>(writers[row] - row);
    }
  }
}

// The best of a request's parts of rows. Each part's are in order: neighbours share a list, and the
// groups of threads that EmitBest looks at should each see some from in front and some from behind.
__device__ void FindBest(const Parameters& p, const RowChoice& choice, BestKeysScratch& scratch,
                         Found* found) {
  const ScoredKey* const best =
      p.plan.best + int64_t{blockIdx.x} * p.plan.splits * kMaxContinuations;
  const auto vocab = static_cast<uint32_t>(p.choice.logits.width);
  const int count = choice.beam_candidates;
  const int size = choice.beams * static_cast<int>(p.plan.splits) * count;
  const int rounds = (size + kSelectThreads - 1) / kSelectThreads;
  const auto key = [&](int i) -> ScoredKey {
    constexpr int kShift = 37;
    const int round = i / kSelectThreads;
    const int at = round * kSelectThreads + (i + kShift * round) % kSelectThreads;
    return at < size ? best[at / count * kMaxContinuations + at % count] : 0;
  };
  EmitBest(rounds * kSelectThreads, count, scratch, key, [&](int rank, ScoredKey key) {
    const uint32_t index = key == 0 ? 0 : IndexOf(key);
    const auto token = static_cast<int32_t>(index % vocab);
    found->continuations[rank] = {static_cast<int32_t>(index / vocab), token, ScoreOfKey(key)};
    found->ends[rank] = IsEos(p.choice.slots, choice.slot, token);
  });
}

// Grid: rows. The block of a request's first row works for all of them.
__global__ void __launch_bounds__(kSelectThreads) SelectOfRequests(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  __shared__ BestKeysScratch scratch;
  __shared__ Found found;
  __shared__ NextRows next;
  const RowChoice* const rows = p.choice.rows + blockIdx.x;
  const RowChoice& choice = rows[0];
  if (choice.beams == 0 || choice.hypothesis > 0) return;
  const RowSlots& slots = p.choice.slots;
  FindBest(p, choice, scratch, &found);
  if (threadIdx.x == 0) PickRows(choice, found, &next);
  if (threadIdx.x < choice.beam_candidates) {
    p.choice.continuations[choice.first_continuation + threadIdx.x] =
        found.continuations[threadIdx.x];
  }
  __syncthreads();
  TakePasts(slots, rows, next);
  if (threadIdx.x < choice.beams) {
    const int64_t slot = rows[threadIdx.x].slot;
    slots.beam_scores[slot] = next.scores[threadIdx.x];
    if (choice.length < slots.history_stride) {
      slots.history[slot * slots.history_stride + choice.length] = next.tokens[threadIdx.x];
    }
  }
}

}  // namespace

void ChooseBeams(const TokenChoice& choice, const ChoicePlan& plan, Device& device) {
  const dim3 parts(plan.splits, static_cast<unsigned>(choice.num_rows));
  const Parameters parameters{choice, plan};
  Launch(device, "processing beams", {parts, kSelectThreads}, ProcessLogProbs, parameters);
  Launch(device, "the best of rows", {parts, kSelectThreads}, SelectOfRows, parameters);
  Launch(device, "the best of requests", {dim3(parts.y), kSelectThreads}, SelectOfRequests,
         parameters);
}

}  // namespace transept::kernels::cuda
