// Drawing a beam's continuations (BestContinuations in engine/decode/beam_choice.h) by one thread
// block: those that score best with Gumbel noise. Called like the functions of block_select.cuh.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/beam_filters.cuh"
#include "kernels/cuda/beam_select.cuh"
#include "kernels/philox.h"

namespace transept::kernels::cuda {

// -log(-log(u)) for the token's uniform number, which is precise where it is near 1.
__device__ inline float GumbelNoise(const RowChoice& choice, int32_t token) {
  const double uniform = BeamUniform(choice.seed, choice.hypothesis, choice.length, token);
  const float exponential = uniform < 0.5 ? -logf(static_cast<float>(uniform))
                                          : -log1pf(-static_cast<float>(1.0 - uniform));
  return -logf(exponential);
}

// How the tokens that the filters left score, behind the row's own past.
struct DrawnScores {
  float temperature = 1.0f;
  bool renormalize = false;
  Summary total;  // of the scores after temperature
  float before = 0.0f;

  __device__ float Of(float score) const {
    const float warped = score / temperature;
    return (renormalize ? total.LogProb(warped) : warped) + before;
  }
};

// How the tokens rank, with noise or without.
struct DrawnRanks {
  const RowChoice& choice;
  BeamSurvivors left;
  ScoreWeights weights;
  DrawnScores scores;
  bool noisy = true;

  // The key of the `i`th token of what was left; 0 where a filter took it.
  __device__ __noinline__ ScoredKey operator()(int i) const {
    const uint32_t order = left.order(i, weights);
    if (order == 0) return 0;
    const int32_t token = left.tokens.id(i);
    const float noise = noisy ? GumbelNoise(choice, token) : 0.0f;
    return KeyOf(scores.Of(ScoreOf(order)) + noise, token);
  }
};

struct DrawScratch {
  SelectScratch selection;
  BestKeysScratch keys;
};

// Draws from the processed log-probabilities of a row, of which `parts` are known; its own score is
// `before`. Leaves the best keys, by token and with the noise, in `scratch.keys`, and the scores
// without in the row; returns how many they are: fewer than it chooses if no others are possible.
// The alternatives that the row reports go to `top`.
__device__ __noinline__ int DrawBeam(const RowChoice& choice, float* logits, int vocab,
                                     RowParts parts, int64_t row, float before, ScoredToken* top,
                                     DrawScratch& scratch) {
  const Summary total = parts.Total(row, static_cast<int>(gridDim.x));
  DrawnRanks ranks{.choice = choice,
                   .left = {.tokens = {logits, nullptr, vocab, false}},
                   .weights = {total.max, choice.temperature},
                   .scores = {.renormalize = choice.renormalize, .total = total, .before = before},
                   .noisy = before > kLeastDrawingScore};
  if (isfinite(total.max)) {
    ranks.left = FilterBeam(choice, logits, vocab, ranks.weights, scratch.selection);
    ranks.scores.temperature = choice.temperature;
    ranks.scores.total.max /= choice.temperature;
  }
  const int size = ranks.left.tokens.size;
  if (choice.renormalize && isfinite(total.max)) {
    const double sum =
        Sum(size, scratch.selection, [&](int i) { return ranks.left.weight(i, ranks.weights); });
    ranks.scores.total.sum = static_cast<float>(sum);
  }
  if (choice.top_tokens > 0) {
    DrawnRanks plain = ranks;
    plain.noisy = false;
    plain.scores.before = 0.0f;
    LeaveTop(FindBest(size, choice.top_tokens, scratch.keys, plain), choice, scratch.keys, top);
  }
  const int known = FindBest(size, choice.beam_candidates, scratch.keys, ranks);
  if (threadIdx.x < known) {
    const uint32_t token = IndexOf(scratch.keys.best[threadIdx.x]);
    logits[token] = ranks.scores.Of(__ldcg(logits + token));
  }
  return known;
}

}  // namespace transept::kernels::cuda
