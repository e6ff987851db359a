#include "engine/attention/cross_attention.h"

namespace transept {

absl::StatusOr<CrossAttention> CrossAttention::Create(const AttentionSpec& spec,
                                                      const AttentionBackend& backend) {
  absl::Status status = CheckType(spec, AttentionType::kEncoderDecoder, "CrossAttention");
  if (status.ok() && spec.has_bias) {
    status = absl::InvalidArgumentError("CrossAttention has no relative position bias");
  }
  status.Update(backend.Supports(spec));
  if (!status.ok()) return status;
  return CrossAttention(spec, backend);
}

CrossAttention::CrossAttention(const AttentionSpec& spec, const AttentionBackend& backend)
    : spec_(spec), backend_(&backend) {
  cache_spec_.block_size = spec.block_size;
  cache_spec_.num_kv_heads = spec.num_kv_heads;
  cache_spec_.head_size = spec.head_size;
  cache_spec_.dtype = spec.kv_cache_dtype;
}

kernels::CrossAttentionOp CrossAttention::Forward(kernels::PagedKv cache,
                                                  kernels::Activations query,
                                                  kernels::Activations out) const {
  return {.kernel = backend_->kernel(),
          .shape = ShapeOf(spec_),
          .cache = cache,
          .query = query,
          .out = out};
}

}  // namespace transept
