#include "engine/attention/encoder_only_attention.h"

namespace transept {

absl::StatusOr<EncoderOnlyAttention> EncoderOnlyAttention::Create(const AttentionSpec& spec,
                                                                  const AttentionBackend& backend) {
  absl::Status status = CheckType(spec, AttentionType::kEncoderOnly, "EncoderOnlyAttention");
  status.Update(backend.Supports(spec));
  if (!status.ok()) return status;
  return EncoderOnlyAttention(spec, backend);
}

kernels::EncoderAttentionOp EncoderOnlyAttention::Forward(kernels::RelativeBias bias,
                                                          kernels::Activations qkv,
                                                          kernels::Activations out) const {
  return {
      .kernel = backend_->kernel(), .shape = ShapeOf(spec_), .bias = bias, .qkv = qkv, .out = out};
}

}  // namespace transept
