// The parts that encoder and decoder layers share, as functions that append operations.
#pragma once

#include <cstdint>

#include "engine/model/weights.h"
#include "engine/types/model_spec.h"
#include "kernels/memory.h"
#include "kernels/operation.h"

namespace transept {

// The activation buffers that all layers of one stack reuse; T = max_tokens.
struct StackBuffers {
  kernels::Activations hidden;     // [T, d_model] the residual stream, float32
  kernels::Activations normed;     // [T, d_model]
  kernels::Activations qkv;        // [T, inner + 2 kv]
  kernels::Activations attention;  // [T, inner]
  kernels::Activations gate_up;    // [T, 2 ffn]; null data where no operation needs it
  kernels::Activations ffn;        // [T, ffn]
};

// What a device wants of the buffers between operations.
struct BufferLayout {
  kernels::DataType dtype = kernels::DataType::kFloat32;  // of all but residual stream and logits
  bool gate_up = false;  // whether gated feed-forward layers need StackBuffers::gate_up
};

// A buffer [max_rows, width]; null data when the memory ends.
kernels::Activations AllocateActivations(int64_t max_rows, int64_t width, kernels::Extent extent,
                                         kernels::DataType dtype, kernels::Memory* memory);

// Buffers for at most `max_tokens` tokens; null data when the memory ends.
StackBuffers AllocateStackBuffers(const ModelSpec& spec, const StackSpec& stack, int64_t max_tokens,
                                  const BufferLayout& layout, kernels::Memory* memory);

// The first `width` columns of `buffer`, which is at least that wide.
kernels::Activations Columns(const kernels::Activations& buffer, int64_t width);

// What a stack's relative positions mean to an attention operation.
kernels::RelativeBias BiasOf(const StackSpec& stack, const LayerWeights& layer, bool bidirectional);

// hidden = the embeddings of the tokens, with position and norm as the model has them
void AppendEmbedding(const ModelSpec& spec, const StackWeights& weights,
                     kernels::Activations hidden, kernels::Program* program);

// out = norm(in), with the model's norm; a conversion where `norm` is empty.
kernels::NormOp Norm(const ModelSpec& spec, const NormWeights& norm, kernels::Activations in,
                     kernels::Activations out);

// normed = norm(hidden), what the next block reads. Where norms stand behind blocks, this one
// belongs to the block before, and hidden becomes its result, too.
kernels::NormOp BlockNorm(const ModelSpec& spec, const NormWeights& norm,
                          const StackBuffers& buffers);

// out = in * weightᵀ + bias
kernels::LinearOp Project(const LinearWeights& linear, kernels::Activations in,
                          kernels::Activations out);

// hidden += in * weightᵀ + bias
kernels::LinearOp ProjectResidual(const LinearWeights& linear, kernels::Activations in,
                                  kernels::Activations hidden);

// hidden += feed_forward(norm(hidden)); BlockNorm says what the norm is.
void AppendFeedForward(const ModelSpec& spec, const LayerWeights& layer,
                       const StackBuffers& buffers, kernels::Program* program);

}  // namespace transept
