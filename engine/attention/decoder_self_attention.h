// Causal self-attention of the decoder.
#pragma once

#include "absl/status/statusor.h"
#include "engine/attention/attention_spec.h"
#include "engine/attention/backend.h"
#include "kernels/operation.h"

namespace transept {

// Writes the K/V of the step's tokens to their own slots, then attends over each row's past through
// block tables and ancestry. Immutable value.
class DecoderSelfAttention {
 public:
  // INVALID_ARGUMENT unless spec.type is kDecoder; otherwise as backend.Supports. `backend` must
  // outlive the layer.
  static absl::StatusOr<DecoderSelfAttention> Create(const AttentionSpec& spec,
                                                     const AttentionBackend& backend);

  // `qkv` and `out` as kernels::SelfAttentionOp describes them.
  kernels::SelfAttentionOp Forward(kernels::RelativeBias bias, kernels::PagedKv cache,
                                   kernels::Activations qkv, kernels::Activations out) const;

 private:
  DecoderSelfAttention(const AttentionSpec& spec, const AttentionBackend& backend)
      : spec_(spec), backend_(&backend) {}

  AttentionSpec spec_;
  const AttentionBackend* backend_;
};

}  // namespace transept
