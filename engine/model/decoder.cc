#include "engine/model/decoder.h"

namespace transept {
namespace {

// hidden += self_attention(norm(hidden))
void AppendSelfAttention(const ModelSpec& spec, const LayerWeights& layer,
                         const DecoderSelfAttention& attention, const StackBuffers& buffers,
                         const kernels::PagedKv& cache, kernels::Program* program) {
  auto& operations = program->operations;
  operations.push_back(BlockNorm(spec, layer.self_norm, buffers));
  operations.push_back(Project(layer.self_qkv, buffers.normed, buffers.qkv));
  operations.push_back(attention.Forward(BiasOf(spec.decoder, layer, /*bidirectional=*/false),
                                         cache, buffers.qkv, buffers.attention));
  operations.push_back(ProjectResidual(layer.self_out, buffers.attention, buffers.hidden));
}

// hidden += cross_attention(norm(hidden)); the query reuses the qkv buffer.
void AppendCrossAttention(const ModelSpec& spec, const LayerWeights& layer,
                          const CrossAttention& attention, const StackBuffers& buffers,
                          const kernels::PagedKv& cache, kernels::Program* program) {
  auto& operations = program->operations;
  const kernels::Activations query = Columns(buffers.qkv, spec.decoder.inner_size());
  operations.push_back(BlockNorm(spec, layer.cross_norm, buffers));
  operations.push_back(Project(layer.cross_query, buffers.normed, query));
  operations.push_back(attention.Forward(cache, query, buffers.attention));
  operations.push_back(ProjectResidual(layer.cross_out, buffers.attention, buffers.hidden));
}

}  // namespace

void AppendHead(const ModelSpec& spec, const ModelWeights& weights,
                const kernels::Activations& hidden, const DecoderOutputs& outputs,
                kernels::Program* program) {
  auto& operations = program->operations;
  operations.push_back(kernels::GatherRowsOp{.in = hidden, .out = outputs.hidden});
  kernels::NormOp norm = Norm(spec, weights.decoder.norm, outputs.hidden, outputs.normed);
  norm.output_scale = spec.output_scale;
  operations.push_back(norm);
  operations.push_back(Project(weights.output, outputs.normed, outputs.logits));
}

kernels::Program BuildDecoder(const ModelSpec& spec, const ModelWeights& weights,
                              const DecoderAttention& attention, const StackBuffers& buffers,
                              const std::vector<kernels::PagedKv>& caches,
                              const DecoderOutputs& outputs) {
  kernels::Program program;
  AppendEmbedding(spec, weights.decoder, buffers.hidden, &program);
  for (size_t i = 0; i < weights.decoder.layers.size(); ++i) {
    const LayerWeights& layer = weights.decoder.layers[i];
    AppendSelfAttention(spec, layer, attention.self, buffers, caches[i], &program);
    AppendCrossAttention(spec, layer, attention.cross, buffers, caches[i], &program);
    AppendFeedForward(spec, layer, buffers, &program);
  }
  AppendHead(spec, weights, buffers.hidden, outputs, &program);
  return program;
}

}  // namespace transept
