#include "engine/model/encoder.h"

namespace transept {

kernels::Program BuildEncoder(const ModelSpec& spec, const ModelWeights& weights,
                              const EncoderOnlyAttention& attention, const StackBuffers& buffers,
                              const std::vector<kernels::PagedKv>& caches,
                              const CrossScratch& cross_scratch) {
  kernels::Program program;
  auto& operations = program.operations;
  AppendEmbedding(spec, weights.encoder, buffers.hidden, &program);
  for (const LayerWeights& layer : weights.encoder.layers) {
    operations.push_back(BlockNorm(spec, layer.self_norm, buffers));
    operations.push_back(Project(layer.self_qkv, buffers.normed, buffers.qkv));
    operations.push_back(attention.Forward(BiasOf(spec.encoder, layer, /*bidirectional=*/true),
                                           buffers.qkv, buffers.attention));
    operations.push_back(ProjectResidual(layer.self_out, buffers.attention, buffers.hidden));
    AppendFeedForward(spec, layer, buffers, &program);
  }
  operations.push_back(Norm(spec, weights.encoder.norm, buffers.hidden, buffers.normed));
  operations.push_back(kernels::ProjectCrossKvOp{.weight = weights.cross_kv.weight,
                                                 .bias = weights.cross_kv.bias,
                                                 .caches = caches,
                                                 .in = buffers.normed,
                                                 .scratch = cross_scratch.data,
                                                 .scratch_rows = cross_scratch.rows});
  return program;
}

}  // namespace transept
