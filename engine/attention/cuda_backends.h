// The attention backends of GPUs: "cuda_tensor" (tensor cores; for the decoder's self-attention
// only in steps that feed rows many tokens, else the kernel of "cuda"), "cuda", and "cuda_scalar",
// which takes every shape. Statements only: building them needs no CUDA.
#pragma once

#include "absl/types/span.h"
#include "engine/attention/backend.h"

namespace transept {

absl::Span<const AttentionBackend* const> CudaAttentionBackends();

}  // namespace transept
