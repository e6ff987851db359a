#include "engine/attention/decoder_self_attention.h"

namespace transept {

absl::StatusOr<DecoderSelfAttention> DecoderSelfAttention::Create(const AttentionSpec& spec,
                                                                  const AttentionBackend& backend) {
  absl::Status status = CheckType(spec, AttentionType::kDecoder, "DecoderSelfAttention");
  status.Update(backend.Supports(spec));
  if (!status.ok()) return status;
  return DecoderSelfAttention(spec, backend);
}

kernels::SelfAttentionOp DecoderSelfAttention::Forward(kernels::RelativeBias bias,
                                                       kernels::PagedKv cache,
                                                       kernels::Activations qkv,
                                                       kernels::Activations out) const {
  return {.kernel = backend_->kernel(),
          .shape = ShapeOf(spec_),
          .bias = bias,
          .cache = cache,
          .qkv = qkv,
          .out = out};
}

}  // namespace transept
