// The tokens of a row that the sampling filters leave, and their weights.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/row_tokens.cuh"

namespace transept::kernels::cuda {

// The tokens' unnormalised probabilities: 1 for the most likely one, 0 for impossible ones.
struct ScoreWeights {
  float max;  // of the row's scores; finite
  float temperature;

  __device__ float LogOf(float score) const { return (score - max) / temperature; }
  __device__ float Of(float score) const { return score > -INFINITY ? expf(LogOf(score)) : 0.0f; }
  // No larger than the order of any score whose weight is at least `weight`.
  __device__ uint32_t BoundOf(double weight) const {
    if (weight <= 0.0) return 1;
    const double score = max + double{temperature} * log(0.999 * weight);
    return ::max(OrderOf(__double2float_rd(score)), 1u);
  }
};

// What the filters leave of a row.
struct Survivors {
  Tokens tokens;       // these, and some that the rest takes away
  uint32_t least = 1;  // order of the least likely
  float min_weight = 0.0f;
  float cut = 0.0f;          // the least weight that top-p leaves,
  int32_t last = INT32_MAX;  // and the highest id with just that
  float center = 0.0f;       // typical_p: where the weights' logarithms lie,
  float radius = INFINITY;   // and how far from it

  __device__ float weight(int i, const ScoreWeights& weights) const {
    const float score = tokens.score(i);
    const float weight = weights.Of(score);
    const bool stays = OrderOf(score) >= least && weight >= min_weight &&
                       (weight > cut || (weight == cut && tokens.id(i) <= last)) &&
                       (radius == INFINITY || fabsf(weights.LogOf(score) - center) <= radius);
    return stays ? weight : 0.0f;
  }
};

// What the filters leave of a row whose beam is drawn, and which may need tokens whose weights
// round to 0: it goes by scores.
struct BeamSurvivors {
  Tokens tokens;                           // these, and some that the rest takes away
  uint32_t least = 1;                      // order of the least likely,
  int32_t last = INT32_MAX;                // and the highest id with just that
  float min_weight = 0.0f;                 // min_p, epsilon_cutoff and eta_cutoff
  float center = 0.0f, radius = INFINITY;  // typical_p

  // The token's order (OrderOf), or 0 where a filter took it.
  __device__ uint32_t order(int i, const ScoreWeights& weights) const {
    const float score = tokens.score(i);
    const uint32_t order = OrderOf(score);
    const bool stays = (order > least || (order == least && tokens.id(i) <= last)) &&
                       (min_weight <= 0.0f || weights.Of(score) >= min_weight) &&
                       (radius == INFINITY || fabsf(weights.LogOf(score) - center) <= radius);
    return stays ? order : 0;
  }
  __device__ float weight(int i, const ScoreWeights& weights) const {
    return order(i, weights) > 0 ? weights.Of(tokens.score(i)) : 0.0f;
  }
};

}  // namespace transept::kernels::cuda
