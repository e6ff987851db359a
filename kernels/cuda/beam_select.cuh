// Beam search's part of choosing tokens (ChooseTokens): each part of a row leaves its best tokens,
// among which each request then finds its continuations.
#pragma once

#include <cuda_runtime.h>

#include <cfloat>
#include <cstdint>

#include "kernels/cuda/best_keys.cuh"
#include "kernels/cuda/row_batch.cuh"
#include "kernels/cuda/row_summary.cuh"
#include "kernels/cuda/select.h"

namespace transept::kernels::cuda {

static_assert(kMaxBestKeys >= kMaxContinuations);

struct alignas(8) Candidate {
  float score;
  int32_t token;
};

// What a part left.
struct alignas(8) PartBest {
  int32_t size;  // candidates
  float rest;    // no token but these has a score above this one; -infinity: they are all possible
};

// What the launches of one choice leave to each other, in the device's workspace. A row in beam
// search has parts of at most kBatch tokens.
struct ChoicePlan {
  unsigned splits = 1;  // thread blocks of a row
  RowParts parts;       // of the rows as they are normalised first
  // The rest is there if a row is in beam search.
  RowParts processed;               // of rows that are drawn or normalised again
  PartBest* found = nullptr;        // [rows, splits]
  Candidate* candidates = nullptr;  // [rows, splits, capacity]
  int capacity = 0;
};

// More than are asked for, so that what is left out hardly ever equals the last of them.
constexpr int kSpareCandidates = 4;
static_assert(kMaxContinuations + kSpareCandidates <= kKeyGroups);

// Leaves the best tokens of the block's part of a row in beam search, whose scores `batch` holds:
// at least `count`, if so many are possible, and all that are as good as one of them; or none, if
// there is no room for those.
__device__ inline void LeaveBest(const RowBatch& batch, int64_t row, int count,
                                 const ChoicePlan& plan) {
  __shared__ GroupScratch scratch;
  __shared__ int gathered;
  const int64_t part = row * gridDim.x + blockIdx.x;
  Candidate* const candidates = plan.candidates + part * plan.capacity;
  if (threadIdx.x == 0) gathered = 0;
  const float max = batch.Max();
  const uint32_t bound = BoundOfBest(OrderOf(max), count + kSpareCandidates, scratch);
  const float least = bound == 0 ? -FLT_MAX : ScoreOf(bound);
  if (max >= least) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      if (!batch.Has(v)) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (!(batch.scores[v][i] >= least)) continue;
        const int place = atomicAdd(&gathered, 1);
        if (place < plan.capacity) candidates[place] = {batch.scores[v][i], batch.Token(v, i)};
      }
    }
  }
  __syncthreads();
  if (threadIdx.x > 0) return;
  const bool fit = gathered <= plan.capacity;
  const float rest = bound == 0 ? -INFINITY : least;
  plan.found[part] = {fit ? gathered : 0, fit ? rest : INFINITY};
}

// Reports the `known` best keys, by token, as the row's alternatives, of which there are no more.
__device__ inline void LeaveTop(int known, const RowChoice& choice, const BestKeysScratch& keys,
                                ScoredToken* top) {
  const int rank = static_cast<int>(threadIdx.x);
  if (rank >= choice.top_tokens || rank > known) return;
  ScoredToken* const place = top + int64_t{choice.result} * kMaxTopTokens + rank;
  if (rank == known) {
    place->token = -1;
  } else {
    const ScoredKey key = keys.best[rank];
    *place = {static_cast<int32_t>(IndexOf(key)), ScoreOf(OrderOfKey(key))};
  }
}

// Launched behind what leaves the plan's parts and, but for rows on log-probabilities, their best.
void ChooseBeams(const TokenChoice& choice, const ChoicePlan& plan, Device& device);

}  // namespace transept::kernels::cuda
