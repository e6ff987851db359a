// Choosing a row's next token from its logits: the CPU chain, and the oracle of every other one.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "engine/decode/processors.h"
#include "engine/types/generation.h"
#include "engine/types/result.h"

namespace transept {

// Runs the logits processors, then takes the most likely token (the lowest id among equals) or,
// with do_sample, draws one from what temperature, top-k, top-p, min-p, typical_p, epsilon_cutoff
// and eta_cutoff leave. `logits` has one value for each token of the vocabulary, at least one, and
// is scratch afterwards.
//
// Depends on its arguments alone: the draw is a function of (seed, hypothesis, position), so a row
// chooses the same token whatever shares its batch. Thread-safe.
//
// NaN counts as -infinity. When no token has a score above that, token 0 is chosen (transformers'
// greedy choice) with log-probability -infinity. +infinity is certain: the lowest such id is
// chosen.
GeneratedToken ChooseToken(const DecodeParams& params, const DecodeContext& context,
                           absl::Span<float> logits);

// A token that the sampling filters left, with its unnormalised probability: 1 for the most likely.
struct SamplingCandidate {
  TokenId token;
  float weight;      // rounds to 0 for the least likely
  float log_weight;  // its logarithm
};

// What the filters leave of a row's tokens after temperature, by token id. In beam
// search they leave one token more than there are EOS tokens, if there are as many. `max`, the
// largest of `scores`, is finite.
std::vector<SamplingCandidate> KeepCandidates(const DecodeParams& params,
                                              absl::Span<const float> scores, float max);

}  // namespace transept
