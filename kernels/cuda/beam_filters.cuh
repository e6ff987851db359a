// The sampling filters for beams that are drawn (KeepCandidates in engine/decode/sampler.h) on the
// GPU: unlike those of single rows each leaves at least min_tokens_to_keep tokens, be they ever so
// unlikely. Every function is called like those of block_select.cuh. They are not inlined, as
// together they would be the most of their kernel.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/beam_entropy_filters.cuh"
#include "kernels/cuda/choice.h"
#include "kernels/cuda/survivors.cuh"

namespace transept::kernels::cuda {

// What tokens are counted by.
enum class Measure { kNumber, kWeight };

// Keeps the fewest most likely tokens, the lower id first among equals, that come to `target` > 0
// together; all, if they do not come to that.
__device__ __noinline__ void KeepMostLikely(Measure by, double target, const ScoreWeights& weights,
                                            BeamSurvivors* left, SelectScratch& scratch) {
  const int size = left->tokens.size;
  const auto order = [&](int i) { return left->order(i, weights); };
  const auto measure = [&](float score) {
    return by == Measure::kNumber ? 1.0f : weights.Of(score);
  };
  const uint32_t cut = LargestKey(size, target, scratch, [&](int i) {
    const uint32_t key = order(i);
    return Weighed{key, key > 0 ? measure(ScoreOf(key)) : 0.0f};
  });
  if (cut == 0) return;
  const double above = Sum(size, scratch, [&](int i) {
    const uint32_t key = order(i);
    return key > cut ? measure(ScoreOf(key)) : 0.0f;
  });
  const double equals = Sum(size, scratch, [&](int i) { return order(i) == cut ? 1.0f : 0.0f; });
  const double needed = fmax(1.0, ceil((target - above) / measure(ScoreOf(cut))));
  int32_t last = cut == left->least ? left->last : INT32_MAX;
  if (needed < equals) {
    last = ~LargestKey(size, needed, scratch, [&](int i) {
      return Weighed{order(i) == cut ? ~static_cast<uint32_t>(left->tokens.id(i)) : 0, 1.0f};
    });
  }
  left->least = cut;
  left->last = last;
}

// Keeps the most likely tokens that must stay, if `cut` has left fewer than these of what was there
// `before`.
__device__ __noinline__ void KeepEnough(int least, const ScoreWeights& weights,
                                        const BeamSurvivors& before, BeamSurvivors* cut,
                                        SelectScratch& scratch) {
  const double kept = Sum(cut->tokens.size, scratch,
                          [&](int i) { return cut->order(i, weights) > 0 ? 1.0f : 0.0f; });
  if (kept >= least) return;
  *cut = before;
  KeepMostLikely(Measure::kNumber, least, weights, cut, scratch);
}

// The `count` most likely tokens, if there are so many, those that reach the order `bound`, and
// some more.
__device__ __noinline__ Tokens GatherLargest(const float* row, int vocab, int count, uint32_t bound,
                                             SelectScratch& scratch) {
  return Gather(row, vocab, ::min(bound, BoundOfLargest(row, vocab, count, scratch)), scratch);
}

// What the filters leave of a row with a largest score that is finite.
__device__ __noinline__ BeamSurvivors FilterBeam(const RowChoice& choice, const float* row,
                                                 int vocab, const ScoreWeights& weights,
                                                 SelectScratch& scratch) {
  const int least = choice.min_tokens_to_keep;
  BeamSurvivors left{.tokens = {row, nullptr, vocab, false}};
  const auto weight = [&](int i) { return left.weight(i, weights); };
  double total = 0.0;
  if (choice.top_k > 0 && choice.top_k < vocab) {
    const int count = ::max(choice.top_k, least);
    left.tokens = GatherLargest(row, vocab, count, ~0u, scratch);
    left.least = ::max(1u, LargestKey(left.tokens.size, count, scratch, [&](int i) {
                         return Weighed{OrderOf(left.tokens.score(i)), 1.0f};
                       }));
    if (choice.top_p < 1.0f) total = Sum(left.tokens.size, scratch, weight);
  } else if (choice.top_p < 1.0f || choice.min_p > 0.0f) {
    // As in SampleToken.
    total = Sum(vocab, scratch, weight);
    const double floor = fmax(double{choice.min_p}, (1.0 - choice.top_p) * total / vocab);
    left.tokens = GatherLargest(row, vocab, least, weights.BoundOf(floor), scratch);
  }
  if (choice.min_p > 0.0f) {
    const BeamSurvivors before = left;
    left.min_weight = choice.min_p;
    KeepEnough(least, weights, before, &left, scratch);
  }
  if (choice.top_p < 1.0f) {
    const BeamSurvivors before = left;
    KeepMostLikely(Measure::kWeight, choice.top_p * total, weights, &left, scratch);
    KeepEnough(least, weights, before, &left, scratch);
  }
  if (choice.typical_p < 1.0f) KeepTypical(choice.typical_p, least, weights, &left, scratch);
  if (choice.epsilon_cutoff > 0.0f) {
    const Mass mass = MassOfBeam(left, weights, scratch);
    KeepLikely(choice.epsilon_cutoff, mass.total, least, weights, &left, scratch);
  }
  if (choice.eta_cutoff > 0.0f) {
    const Mass mass = MassOfBeam(left, weights, scratch);
    const double eta = choice.eta_cutoff;
    KeepLikely(fmin(eta, sqrt(eta) * exp(mass.mean_log) / mass.total), mass.total, least, weights,
               &left, scratch);
  }
  return left;
}

}  // namespace transept::kernels::cuda
