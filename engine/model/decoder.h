// One decoder step as a list of operations.
#pragma once

#include <vector>

#include "engine/attention/cross_attention.h"
#include "engine/attention/decoder_self_attention.h"
#include "engine/model/layers.h"
#include "engine/model/weights.h"
#include "engine/types/model_spec.h"
#include "kernels/operation.h"

namespace transept {

// The outputs of a decoder step, one row each decoder row; R = max_rows.
struct DecoderOutputs {
  kernels::Activations hidden;  // [R, d_model] the last query token of each row
  kernels::Activations normed;  // [R, d_model]
  kernels::Activations logits;  // [R, vocab]
};

// Appends what makes logits of the hidden states of each row's last query token. These stay as they
// are: run with other query offsets, it makes logits of other tokens of the same step.
void AppendHead(const ModelSpec& spec, const ModelWeights& weights,
                const kernels::Activations& hidden, const DecoderOutputs& outputs,
                kernels::Program* program);

struct DecoderAttention {
  DecoderSelfAttention self;
  CrossAttention cross;
};

// Embeds the query tokens, runs all layers over `caches` (one a layer, self and cross pages alike),
// and projects each row's last token to logits.
kernels::Program BuildDecoder(const ModelSpec& spec, const ModelWeights& weights,
                              const DecoderAttention& attention, const StackBuffers& buffers,
                              const std::vector<kernels::PagedKv>& caches,
                              const DecoderOutputs& outputs);

}  // namespace transept
