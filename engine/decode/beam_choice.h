// Beam search's choice of continuations: the CPU's, and the oracle of every other one.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/decode/processors.h"
#include "engine/types/batch.h"
#include "engine/types/generation.h"
#include "engine/types/result.h"

namespace transept {

// A candidate, and what it is ranked by: its score, with noise when it is drawn.
struct RankedCandidate {
  BeamCandidate candidate;
  float rank = 0.0f;
};

// The best continuations of one beam, as many as its request chooses among, best first and the
// lowest token first among equals: log softmax, logits processors, with do_sample the sampling
// filters, with renormalize_logits log softmax again, then the beam's own score is added.
// `context.hypothesis` is the beam. `logits` has one value for each token and is scratch
// afterwards.
//
// With do_sample the rank is the score plus Gumbel noise, which depends on (seed, beam, position,
// token): the candidates that rank best are a draw without replacement from the softmax of the
// scores. NaN counts as -infinity; what has this score ranks last. Thread-safe.
//
// With top_logprobs so many of the tokens that score best without noise go to `top`, if it is not
// null, best first, and with what each would add to the beam's score: those that are possible.
std::vector<RankedCandidate> BestContinuations(const DecodeParams& params,
                                               const DecodeContext& context, float beam_score,
                                               absl::Span<float> logits,
                                               std::vector<TokenLogprob>* top = nullptr);

// The best of all beams' continuations, the lower beam first among equals: StepResult::beams.
std::vector<BeamCandidate> ChooseCandidates(
    const DecodeParams& params, absl::Span<const std::vector<RankedCandidate>> continuations);

// Which candidates are the request's next rows, in order: indices, num_beams of them unless nearly
// all candidates are EOS tokens.
std::vector<int32_t> NextBeams(const DecodeParams& params,
                               absl::Span<const BeamCandidate> candidates);

}  // namespace transept
