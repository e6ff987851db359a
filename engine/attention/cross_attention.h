// Attention from the decoder to the encoded source.
#pragma once

#include "absl/status/statusor.h"
#include "engine/attention/attention_spec.h"
#include "engine/attention/backend.h"
#include "engine/cache/kv_cache_spec.h"
#include "kernels/operation.h"

namespace transept {

// Queries come from the decoder, K/V from the encoder. K/V are written exactly once, on the step
// that encodes the source (kernels::ProjectCrossKvOp); every later step reads the pages. Immutable
// value.
class CrossAttention {
 public:
  // INVALID_ARGUMENT unless spec.type is kEncoderDecoder; otherwise as backend.Supports. `backend`
  // must outlive the layer.
  static absl::StatusOr<CrossAttention> Create(const AttentionSpec& spec,
                                               const AttentionBackend& backend);

  // What this layer keeps of each source.
  const CrossAttentionSpec& cache_spec() const { return cache_spec_; }

  // `query` and `out` as kernels::CrossAttentionOp describes them.
  kernels::CrossAttentionOp Forward(kernels::PagedKv cache, kernels::Activations query,
                                    kernels::Activations out) const;

 private:
  CrossAttention(const AttentionSpec& spec, const AttentionBackend& backend);

  AttentionSpec spec_;
  const AttentionBackend* backend_;
  CrossAttentionSpec cache_spec_;
};

}  // namespace transept
