// Vectorised passes over one row of scores. NaN counts as -infinity everywhere.
#pragma once

#include "absl/types/span.h"
#include "engine/types/model_spec.h"

namespace transept {

// A row of scores in brief.
struct Distribution {
  TokenId argmax = 0;  // the lowest id among equals; 0 when all are -infinity
  float max = 0.0f;
  double sum = 1.0;  // of exp(score - max); meaningless when max is infinite

  // The log softmax of `score`, one of the row's. With an infinite max: 0 for +infinity, else
  // -infinity.
  float LogProb(float score) const;
};

// One pass over memory. `scores` is not empty.
Distribution Summarize(absl::Span<const float> scores);

// Writes each score's weight exp((score - max) / temperature), at most 1, to `weights`, of the same
// size or the same span, and returns their sum. `max` is finite and no less than any score;
// temperature > 0.
double ComputeWeights(absl::Span<const float> scores, float max, float temperature,
                      absl::Span<float> weights);

}  // namespace transept
