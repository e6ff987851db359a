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

// Grid: (splits, rows).
__global__ void __launch_bounds__(kSelectThreads, 2) SelectOfRows(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  __shared__ BestKeysScratch scratch;
  const RowChoice& choice = p.choice.rows[blockIdx.y];
  if (choice.beams == 0) return;
  const RowPart part = PartOf(p.choice.logits);
  const Summary total = p.plan.totals[blockIdx.y];
  const bool are_log_probs = choice.on_log_probs && !choice.renormalize;
  const float before = p.choice.slots.beam_scores[choice.slot];
  const uint32_t first = choice.hypothesis * static_cast<uint32_t>(p.choice.logits.width);
  const auto key = [&](int i) {
    const int token = part.begin + i;
    const float score = __ldcg(part.scores + token);
    return KeyOf((are_log_probs ? score : total.LogProb(score)) + before, first + token);
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

// The first beams of `found` that are no EOS, by one thread. Were there fewer, rows that nothing
// can continue would fill up.
__device__ void PickRows(const RowSlots& slots, const RowChoice& choice, const Continuation* found,
                         NextRows* next) {
  int rows = 0;
  for (int i = 0; i < choice.beam_candidates && rows < choice.beams; ++i) {
    if (IsEos(slots, choice.slot, found[i].token)) continue;
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

// Grid: rows. The block of a request's first row works for all of them.
__global__ void __launch_bounds__(kSelectThreads) SelectOfRequests(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  __shared__ BestKeysScratch scratch;
  __shared__ Continuation found[kMaxContinuations];
  __shared__ NextRows next;
  const RowChoice* const rows = p.choice.rows + blockIdx.x;
  const RowChoice& choice = rows[0];
  if (choice.beams == 0 || choice.hypothesis > 0) return;
  const RowSlots& slots = p.choice.slots;
  const auto vocab = static_cast<uint32_t>(p.choice.logits.width);
  const int lists = choice.beams * static_cast<int>(p.plan.splits);
  const ScoredKey* const best =
      p.plan.best + int64_t{blockIdx.x} * p.plan.splits * kMaxContinuations;
  EmitBest(
      lists * choice.beam_candidates, choice.beam_candidates, scratch,
      [&](int i) { return best[i % lists * kMaxContinuations + i / lists]; },
      [&](int rank, ScoredKey key) {
        const uint32_t index = key == 0 ? 0 : IndexOf(key);
        found[rank] = {static_cast<int32_t>(index / vocab), static_cast<int32_t>(index % vocab),
                       ScoreOfKey(key)};
      });
  if (threadIdx.x == 0) PickRows(slots, choice, found, &next);
  if (threadIdx.x < choice.beam_candidates) {
    p.choice.continuations[choice.first_continuation + threadIdx.x] = found[threadIdx.x];
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
