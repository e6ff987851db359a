// Bidirectional self-attention of the encoder.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/attention/attention_spec.h"
#include "engine/attention/backend.h"
#include "kernels/operation.h"

namespace transept {

// Attends within each packed source, without mask or padding. K and V are read straight from the
// projection: there is no K/V cache. Immutable value.
class EncoderOnlyAttention {
 public:
  // INVALID_ARGUMENT unless spec.type is kEncoderOnly; otherwise as backend.Supports. `backend`
  // must outlive the layer.
  static absl::StatusOr<EncoderOnlyAttention> Create(const AttentionSpec& spec,
                                                     const AttentionBackend& backend);

  static constexpr int64_t kv_cache_bytes() { return 0; }

  // `qkv` and `out` as kernels::EncoderAttentionOp describes them.
  kernels::EncoderAttentionOp Forward(kernels::RelativeBias bias, kernels::Activations qkv,
                                      kernels::Activations out) const;

 private:
  EncoderOnlyAttention(const AttentionSpec& spec, const AttentionBackend& backend)
      : spec_(spec), backend_(&backend) {}

  AttentionSpec spec_;
  const AttentionBackend* backend_;
};

}  // namespace transept
