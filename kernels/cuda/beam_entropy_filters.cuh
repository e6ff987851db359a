// The sampling filters that look at the whole distribution, for beams that are drawn:
// entropy_filters.cuh and beam_filters.cuh.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/entropy_filters.cuh"
#include "kernels/cuda/survivors.cuh"

namespace transept::kernels::cuda {

__device__ __noinline__ Mass MassOfBeam(const BeamSurvivors& left, const ScoreWeights& weights,
                                        SelectScratch& scratch) {
  return MassOf(left, weights, scratch);
}

// As CutTypical.
__device__ __noinline__ void KeepTypical(double typical_p, int least, const ScoreWeights& weights,
                                         BeamSurvivors* left, SelectScratch& scratch) {
  const Mass mass = MassOfBeam(*left, weights, scratch);
  const auto center = static_cast<float>(mass.mean_log);
  const int size = left->tokens.size;
  const auto nearness = [&](int i) {
    const uint32_t order = left->order(i, weights);
    if (order == 0) return 0u;
    return ~__float_as_uint(fabsf(weights.LogOf(ScoreOf(order)) - center));
  };
  const uint32_t near = LargestKey(size, typical_p * mass.total, scratch, [&](int i) {
    return Weighed{nearness(i), left->weight(i, weights)};
  });
  const uint32_t nearest = LargestKey(size, least, scratch, [&](int i) {
    return Weighed{nearness(i), 1.0f};
  });
  const uint32_t cut = ::min(near, nearest);
  if (cut == 0) return;
  left->center = center;
  left->radius = __uint_as_float(~cut);
}

// Keeps the tokens of at least this probability, and those that are as likely as the `least`-th.
__device__ __noinline__ void KeepLikely(double probability, double total, int least,
                                        const ScoreWeights& weights, BeamSurvivors* left,
                                        SelectScratch& scratch) {
  const uint32_t order = LargestKey(left->tokens.size, least, scratch, [&](int i) {
    return Weighed{left->order(i, weights), 1.0f};
  });
  if (order == 0) return;
  const auto bound = static_cast<float>(probability * total);
  if (weights.Of(ScoreOf(order)) >= bound) {
    left->min_weight = fmaxf(left->min_weight, bound);
  } else if (order > left->least) {
    left->least = order;
    left->last = INT32_MAX;
  }
}

}  // namespace transept::kernels::cuda
