// What a step gives besides the tokens that its rows choose: states of source tokens, and
// log-probabilities of target tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/runner/step_inputs.h"
#include "engine/types/batch.h"
#include "kernels/inputs.h"

namespace transept {

// What a plan's EncodeItems with a pooling get of the encoder's output.
struct StateRows {
  std::vector<kernels::TokenRange> ranges;  // the mean of these tokens' states makes a row
  std::vector<size_t> counts;               // rows of each of the items
};
StateRows StateRowsOf(const StepPlan& plan, absl::Span<const TokenId> eos_tokens);

// The tokens that the rows with targets are fed, among all that a run of the decoder program is.
struct ScoredTokens {
  // [n + 1], the first 0: token i is offsets[i + 1] - 1. As query offsets for Model::head(), whole
  // or from any element on.
  std::vector<int32_t> offsets;
  std::vector<TokenId> targets;  // [n] the token that should follow
  std::vector<size_t> counts;    // tokens of each of the rows
};
ScoredTokens ScoredTokensOf(const StepPlan& plan, RowRange range);

// Gives each of counts.size() takers its share of `values`, `width` for each count.
std::vector<std::vector<float>> Share(absl::Span<const float> values, size_t width,
                                      absl::Span<const size_t> counts);

}  // namespace transept
