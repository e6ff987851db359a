// The attention backends of GPUs: "cuda_tensor" (tensor cores; the decoder's self-attention in
// steps that feed rows many tokens), "cuda", and "cuda_scalar", which takes every shape. Statements
// only: building them needs no CUDA.
#pragma once

#include "absl/types/span.h"
#include "engine/attention/backend.h"

namespace transept {

absl::Span<const AttentionBackend* const> CudaAttentionBackends();

}  // namespace transept
