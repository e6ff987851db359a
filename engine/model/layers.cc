#include "engine/model/layers.h"

namespace transept {

using kernels::Activations;

Activations AllocateActivations(int64_t max_rows, int64_t width, kernels::Extent extent,
                                kernels::DataType dtype, kernels::Memory* memory) {
  const int64_t stride = kernels::StrideFor(width);
  return {.data = memory->Allocate(max_rows * stride * kernels::SizeOf(dtype)),
          .dtype = dtype,
          .width = width,
          .stride = stride,
          .extent = extent};
}

StackBuffers AllocateStackBuffers(const ModelSpec& spec, const StackSpec& stack, int64_t max_tokens,
                                  const BufferLayout& layout, kernels::Memory* memory) {
  const auto allocate = [&](int64_t width, kernels::DataType dtype) {
    return AllocateActivations(max_tokens, width, kernels::Extent::kTokens, dtype, memory);
  };
  StackBuffers buffers;
  buffers.hidden = allocate(spec.d_model, kernels::DataType::kFloat32);
  buffers.normed = allocate(spec.d_model, layout.dtype);
  buffers.qkv = allocate(stack.inner_size() + 2 * stack.kv_size(), layout.dtype);
  buffers.attention = allocate(stack.inner_size(), layout.dtype);
  if (spec.gated_ffn && layout.gate_up) {
    buffers.gate_up = allocate(2 * stack.ffn_size, layout.dtype);
  }
  buffers.ffn = allocate(stack.ffn_size, layout.dtype);
  return buffers;
}

Activations Columns(const Activations& buffer, int64_t width) {
  Activations columns = buffer;
  columns.width = width;
  return columns;
}

kernels::RelativeBias BiasOf(const StackSpec& stack, const LayerWeights& layer,
                             bool bidirectional) {
  return {.table = layer.relative_bias,
          .num_buckets = stack.relative_positions.num_buckets,
          .max_distance = stack.relative_positions.max_distance,
          .bidirectional = bidirectional};
}

void AppendEmbedding(const ModelSpec& spec, const StackWeights& weights, Activations hidden,
                     kernels::Program* program) {
  program->operations.push_back(kernels::EmbedOp{.table = weights.embedding,
                                                 .positions = weights.positions,
                                                 .position_offset = spec.positions.offset,
                                                 .scale = spec.embedding_scale,
                                                 .out = hidden});
  if (weights.embedding_norm.weight.data == nullptr) return;
  program->operations.push_back(Norm(spec, weights.embedding_norm, hidden, hidden));
}

kernels::NormOp Norm(const ModelSpec& spec, const NormWeights& norm, Activations in,
                     Activations out) {
  kernels::NormOp op;
  op.kind = norm.weight.data ? spec.norm : kernels::NormKind::kNone;
  op.weight = norm.weight;
  op.bias = norm.bias;
  op.eps = spec.norm_eps;
  op.in = in;
  op.out = out;
  return op;
}

kernels::NormOp BlockNorm(const ModelSpec& spec, const NormWeights& norm,
                          const StackBuffers& buffers) {
  kernels::NormOp op = Norm(spec, norm, buffers.hidden, buffers.normed);
  if (spec.norm_placement == NormPlacement::kAfter) op.stream = buffers.hidden;
  return op;
}

kernels::LinearOp Project(const LinearWeights& linear, Activations in, Activations out) {
  kernels::LinearOp op;
  op.weight = linear.weight;
  op.bias = linear.bias;
  op.in = in;
  op.out = out;
  return op;
}

kernels::LinearOp ProjectResidual(const LinearWeights& linear, Activations in, Activations hidden) {
  kernels::LinearOp op = Project(linear, in, hidden);
  op.residual = hidden;
  return op;
}

void AppendFeedForward(const ModelSpec& spec, const LayerWeights& layer,
                       const StackBuffers& buffers, kernels::Program* program) {
  auto& operations = program->operations;
  operations.push_back(BlockNorm(spec, layer.ffn_norm, buffers));
  if (spec.gated_ffn) {
    operations.push_back(kernels::GatedLinearOp{.weight = layer.ffn_in.weight,
                                                .activation = spec.activation,
                                                .in = buffers.normed,
                                                .scratch = buffers.gate_up,
                                                .out = buffers.ffn});
  } else {
    kernels::LinearOp up = Project(layer.ffn_in, buffers.normed, buffers.ffn);
    up.activation = spec.activation;
    operations.push_back(up);
  }
  operations.push_back(ProjectResidual(layer.ffn_out, buffers.ffn, buffers.hidden));
}

}  // namespace transept
