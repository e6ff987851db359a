// Self-attention of decoder rows that are fed many tokens at once, on tensor cores: target
// prefixes, histories recomputed after preemption, scored targets.
#pragma once

#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {

// Whether it serves the step, and a thread block may have the shared memory: see TensorFits of
// encoder_tensor_attention.h.
bool TensorServes(const SelfAttentionOp& op, const Step& step, const Resources& resources);

// For bfloat16 and float16 and head sizes that are multiples of 8 up to 128. REQUIRES:
// TensorServes.
void RunTensor(const SelfAttentionOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cuda
