// What the tests of the scheduler have in place of a model: outputs that depend on exactly what a
// row can read.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/text/tokenizer.h"
#include "engine/types/batch.h"
#include "engine/types/request.h"
#include "engine/types/result.h"

namespace transept {

inline constexpr TokenId kFakeEos = 1;
inline constexpr TokenId kFakeStart = 0;

uint64_t FakeHash(uint64_t hash, uint64_t value);

// The token that follows `target` in row `hypothesis`: any function of all of it. About one in
// `eos_interval` ends the row.
GeneratedToken FakeNextToken(absl::Span<const TokenId> source, absl::Span<const TokenId> target,
                             int32_t hypothesis, uint64_t eos_interval);

// What follows the beams of a search, `targets` with their `scores`: the best of some continuations
// of each, best first, of which about one in `eos_interval` beams has one that ends it.
std::vector<BeamCandidate> FakeContinuations(const DecodeParams& params,
                                             absl::Span<const TokenId> source,
                                             absl::Span<const std::vector<TokenId>> targets,
                                             absl::Span<const float> scores, uint64_t eos_interval);

// What the request must generate, whatever happens to it on the way. `tokenizer` is for searches
// with stop sequences.
std::vector<Hypothesis> FakeGenerate(const Request& request, uint64_t eos_interval,
                                     const Tokenizer* tokenizer);

// Of the last token of `target`, the decoder start included: any function of all of it.
float FakeLogprob(absl::Span<const TokenId> source, absl::Span<const TokenId> target);

// What the request's targets must come to, likewise.
std::vector<Hypothesis> FakeScore(const Request& request);

// What an Encode request must get.
std::vector<float> FakeStates(absl::Span<const TokenId> source, Pooling pooling);

}  // namespace transept
