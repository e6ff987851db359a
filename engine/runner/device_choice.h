// What a planned row asks of the GPU when it chooses its token.
#pragma once

#include "engine/types/batch.h"
#include "kernels/cuda/choice.h"

namespace transept {

// How `row`, whose source is `source`, chooses in its step. The sets of tokens, the sequences and
// the source that it may need must be on the device already. Where a request's continuations go is
// left open.
kernels::cuda::RowChoice ChoiceOf(const RowPlan& row, const SourceView& source);

// The tokens of `params` that make up a set, or of the `source`, which may be others than the
// model's targets have; empty when no step needs them.
absl::Span<const TokenId> TokensOf(const DecodeParams& params, absl::Span<const TokenId> source,
                                   kernels::cuda::TokenSet set);

// Writes the sequences of `params`, and the rule behind the last.
void FillRules(const DecodeParams& params, kernels::cuda::SequenceRules* rules);

}  // namespace transept
