// Drawing a row's token by one thread block. Every function is called like those of
// block_select.cuh.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/choice.h"
#include "kernels/cuda/entropy_filters.cuh"
#include "kernels/cuda/survivors.cuh"
#include "kernels/philox.h"

namespace transept::kernels::cuda {

// The fewest most likely tokens, the lower id first among equals, that reach `target` > 0 together;
// all, if they do not reach it.
__device__ inline void CutTopP(double target, const ScoreWeights& weights, Survivors* left,
                               SelectScratch& scratch) {
  const int size = left->tokens.size;
  const auto weight = [&](int i) { return left->weight(i, weights); };
  const uint32_t cut = LargestKey(size, target, scratch, [&](int i) {
    const float w = weight(i);
    return Weighed{__float_as_uint(w), w};
  });
  if (cut == 0) return;
  const float least = __uint_as_float(cut);
  const double above = Sum(size, scratch, [&](int i) {
    const float w = weight(i);
    return w > least ? w : 0.0f;
  });
  const double equals = Sum(size, scratch, [&](int i) { return weight(i) == least ? 1.0f : 0.0f; });
  const double needed = fmax(1.0, ceil((target - above) / least));
  int32_t last = INT32_MAX;
  if (needed < equals) {
    last = ~LargestKey(size, needed, scratch, [&](int i) {
      return Weighed{weight(i) == least ? ~static_cast<uint32_t>(left->tokens.id(i)) : 0, 1.0f};
    });
  }
  left->cut = least;
  left->last = last;
}

// The token at which the cumulative probability of what is left, in the order of ids, exceeds the
// row's uniform number for this position. `max` is the row's largest score, and finite.
__device__ inline int32_t SampleToken(const RowChoice& choice, const float* row, int vocab,
                                      float max, SelectScratch& scratch) {
  const ScoreWeights weights{max, choice.temperature};
  Survivors left{.tokens = {row, nullptr, vocab, false}};
  const auto weight = [&](int i) { return left.weight(i, weights); };
  double total = 0.0;
  if (choice.top_k > 0 && choice.top_k < vocab) {
    const uint32_t bound = BoundOfLargest(row, vocab, choice.top_k, scratch);
    left.tokens = Gather(row, vocab, bound, scratch);
    left.least = ::max(1u, LargestKey(left.tokens.size, choice.top_k, scratch, [&](int i) {
                         return Weighed{OrderOf(left.tokens.score(i)), 1.0f};
                       }));
    total = Sum(left.tokens.size, scratch, weight);
  } else if (choice.top_p < 1.0f || choice.min_p > 0.0f) {
    // Those below the average share of 1 - top_p have less than that together.
    total = Sum(vocab, scratch, weight);
    const double floor = fmax(double{choice.min_p}, (1.0 - choice.top_p) * total / vocab);
    left.tokens = Gather(row, vocab, weights.BoundOf(floor), scratch);
  }
  left.min_weight = choice.min_p;
  if (choice.top_p < 1.0f) CutTopP(choice.top_p * total, weights, &left, scratch);
  if (choice.typical_p < 1.0f) CutTypical(choice.typical_p, weights, &left, scratch);
  if (choice.epsilon_cutoff > 0.0f || choice.eta_cutoff > 0.0f) {
    CutUnlikely(choice, weights, &left, scratch);
  }
  const double uniform = SamplingUniform(choice.seed, choice.hypothesis, choice.length);
  return left.tokens.id(Draw(left.tokens.size, uniform, scratch, weight));
}

}  // namespace transept::kernels::cuda
