// What a planned row asks of the GPU when it chooses its token.
#pragma once

#include "engine/types/batch.h"
#include "kernels/cuda/choice.h"

namespace transept {

// How `row` chooses in its step. The sets of tokens that it may ban, or that end a beam, must be on
// the device already. Where a request's continuations go is left open.
kernels::cuda::RowChoice ChoiceOf(const RowPlan& row);

// The tokens of `params` that make up a set; empty when no step has a use for it.
absl::Span<const TokenId> TokensOf(const DecodeParams& params, kernels::cuda::TokenSet set);

}  // namespace transept
