// The sampling filters that look at the whole distribution (engine/decode/entropy_filters.cc) on
// the GPU. Every function is called like those of block_select.cuh.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/choice.h"
#include "kernels/cuda/survivors.cuh"

namespace transept::kernels::cuda {

// The weights of what is left (Survivors, BeamSurvivors), in brief.
struct Mass {
  double total;
  double mean_log;  // the logarithm's mean over the distribution: log(total) - entropy
};
template <typename Left>
__device__ Mass MassOf(const Left& left, const ScoreWeights& weights, SelectScratch& scratch) {
  const int size = left.tokens.size;
  const double total = Sum(size, scratch, [&](int i) { return left.weight(i, weights); });
  const double sum = Sum(size, scratch, [&](int i) {
    const float weight = left.weight(i, weights);
    return weight > 0.0f ? weight * weights.LogOf(left.tokens.score(i)) : 0.0f;
  });
  return {total, sum / total};
}

// The tokens whose information is nearest to its mean, the entropy, until they reach typical_p, and
// all that are as near as the last of them.
__device__ inline void CutTypical(double typical_p, const ScoreWeights& weights, Survivors* left,
                                  SelectScratch& scratch) {
  const Mass mass = MassOf(*left, weights, scratch);
  const auto center = static_cast<float>(mass.mean_log);
  // The nearest have the largest keys.
  const uint32_t key = LargestKey(left->tokens.size, typical_p * mass.total, scratch, [&](int i) {
    const float weight = left->weight(i, weights);
    const float distance = fabsf(weights.LogOf(left->tokens.score(i)) - center);
    return Weighed{weight > 0.0f ? ~__float_as_uint(distance) : 0, weight};
  });
  if (key == 0) return;
  left->center = center;
  left->radius = __uint_as_float(~key);
}

// epsilon_cutoff and eta_cutoff: those of at least some probability, and the most likely anyway.
__device__ inline void CutUnlikely(const RowChoice& choice, const ScoreWeights& weights,
                                   Survivors* left, SelectScratch& scratch) {
  float largest = 1.0f;  // but typical_p may have taken that
  if (choice.typical_p < 1.0f) {
    largest = __uint_as_float(LargestKey(left->tokens.size, 1.0, scratch, [&](int i) {
      const float weight = left->weight(i, weights);
      return Weighed{__float_as_uint(weight), weight > 0.0f ? 1.0f : 0.0f};
    }));
  }
  const auto cut = [&](double probability, double total) {
    const auto least = static_cast<float>(fmin(probability * total, double{largest}));
    left->min_weight = fmaxf(left->min_weight, least);
  };
  if (choice.epsilon_cutoff > 0.0f) {
    cut(choice.epsilon_cutoff, MassOf(*left, weights, scratch).total);
  }
  if (choice.eta_cutoff > 0.0f) {
    const Mass mass = MassOf(*left, weights, scratch);
    const double eta = choice.eta_cutoff;
    cut(fmin(eta, sqrt(eta) * exp(mass.mean_log) / mass.total), mass.total);
  }
}

}  // namespace transept::kernels::cuda
