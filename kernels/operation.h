// The operations a model is made of, as data.
//
// A forward pass is a Program: a list of operations built once at load. Every pointer in it is
// fixed; what changes from step to step is in EncoderInputs / DecoderInputs (kernels/inputs.h). A
// device may run the list one by one, capture it in a graph, or hand it to one persistent kernel.
//
// Shapes: T = query tokens in the step, R = decoder rows, M = T or R by the buffer's `extent`.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/tensor.h"

namespace transept::kernels {

enum class ActivationFunction : uint8_t {
  kNone,
  kRelu,
  kGelu,      // exact: x * Φ(x)
  kGeluTanh,  // 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), "gelu_new"
  kSilu,
};

enum class NormKind : uint8_t {
  kRms,    // x / √(mean(x²) + eps) * weight
  kLayer,  // (x - mean) / √(var + eps) * weight + bias
  kNone,   // x: converts, no more
};

// Which implementation of an attention operation runs; chosen by an engine/attention backend.
enum class AttentionKernel : uint8_t {
  kReference,   // scalar, any head size: the oracle of the others
  kSimd,        // CPU, vectorised
  kCudaScalar,  // GPU, any head size, single elements
  kCuda,        // GPU, 16-byte accesses
  kCudaTensor,  // GPU, tensor cores; as kCuda for decoder rows of few query tokens
};

// T5's relative position bias. Kernels find that of a (query, key) pair where they use it.
struct RelativeBias {
  const float* table = nullptr;  // [num_buckets, num_heads] float32; null = no bias
  int32_t num_buckets = 0;
  int32_t max_distance = 0;
  bool bidirectional = false;
};

struct AttentionShape {
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;  // divides num_heads
  int32_t head_size = 0;
  float scale = 1.0f;  // multiplies q·k (1 for T5, which has no 1/√head_size)
};

// out[t] = table[token_ids[t]] * scale + positions[embedded_position[t] + position_offset]
struct EmbedOp {
  Matrix table;      // [vocab, d_model]
  Matrix positions;  // [max_positions, d_model] float32; null data = none
  int32_t position_offset = 0;
  float scale = 1.0f;
  Activations out;  // [T, d_model]
};

// out = norm(in) * output_scale, perhaps in place. A linear layer behind it that reads `out` is its
// only reader: a device may fuse the two.
struct NormOp {
  NormKind kind = NormKind::kRms;
  Vector weight;  // [width]; kNone: absent
  Vector bias;    // [width] or absent; kLayer only
  float eps = 1e-6f;
  float output_scale = 1.0f;
  Activations in;
  Activations out;
  Activations stream;  // float32, another copy of the result; may be `in`; null data = none
};

// out = activation(in * weightᵀ + bias) + residual. `residual` may be `out` itself; `in` may not.
struct LinearOp {
  Matrix weight;  // [out.width, in.width]
  Vector bias;    // [out.width] or absent
  ActivationFunction activation = ActivationFunction::kNone;
  Activations in;        // [M, weight.cols]
  Activations residual;  // [M, weight.rows]; null data = none
  Activations out;       // [M, weight.rows]
};

// out = activation(in * gateᵀ) * (in * upᵀ)
struct GatedLinearOp {
  Matrix weight;  // [2 * out.width, in.width]: the gate's rows, then the up projection's
  ActivationFunction activation = ActivationFunction::kGeluTanh;
  Activations in;       // [M, weight.cols]
  Activations scratch;  // [M, weight.rows]; may have null data on the CPU, which needs none
  Activations out;      // [M, weight.rows / 2]
};

// Bidirectional attention within each packed source; needs no K/V cache.
struct EncoderAttentionOp {
  AttentionKernel kernel = AttentionKernel::kReference;
  AttentionShape shape;
  RelativeBias bias;
  Activations qkv;  // [T, (num_heads + 2 num_kv_heads) * head_size]: all q, all k, all v
  Activations out;  // [T, num_heads * head_size]
};

// Causal self-attention of the decoder. First writes the K/V of all T query tokens to self_slots;
// then a token at position p reads 0..p of its row through the block tables and the ancestry.
struct SelfAttentionOp {
  AttentionKernel kernel = AttentionKernel::kReference;
  AttentionShape shape;
  RelativeBias bias;
  PagedKv cache;
  Activations qkv;  // [T, (num_heads + 2 num_kv_heads) * head_size]
  Activations out;  // [T, num_heads * head_size]
};

// Attention from decoder tokens to the encoder output of their source, read from pages which
// ProjectCrossKvOp wrote.
struct CrossAttentionOp {
  AttentionKernel kernel = AttentionKernel::kReference;
  AttentionShape shape;
  PagedKv cache;
  Activations query;  // [T, num_heads * head_size]
  Activations out;    // [T, num_heads * head_size]
};

// Projects the encoder output to the cross K/V of all decoder layers, scattered to cross_slots.
struct ProjectCrossKvOp {
  Matrix weight;  // [layers * 2 * num_kv_heads * head_size, d_model]: layer-major, K then V
  Vector bias;    // [weight.rows] or absent
  std::vector<PagedKv> caches;  // [layers]
  Activations in;               // [T, d_model]
  Activations scratch;          // [scratch_rows, 2 * num_kv_heads * head_size]: one layer's K/V
  int64_t scratch_rows = 0;  // T at least; with more, a device may project several layers at once
};

// out[r] = in[query_offsets[r + 1] - 1]: the last query token of each row, or in front of it.
struct GatherRowsOp {
  Activations in;   // extent kTokens
  Activations out;  // extent kRows; a norm behind this that reads it is its only reader
};

using Operation = std::variant<EmbedOp, NormOp, LinearOp, GatedLinearOp, EncoderAttentionOp,
                               SelfAttentionOp, CrossAttentionOp, ProjectCrossKvOp, GatherRowsOp>;

struct Program {
  std::vector<Operation> operations;
};

}  // namespace transept::kernels
