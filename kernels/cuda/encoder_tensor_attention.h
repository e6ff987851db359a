// Encoder attention on tensor cores.
#pragma once

#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {

// Whether a thread block may have the shared memory: on smaller GPUs a bias that reaches thousands
// of positions does not fit beside wide heads.
bool TensorFits(const EncoderAttentionOp& op, const Resources& resources);

// For bfloat16 and float16 and head sizes that are multiples of 8 up to 128. REQUIRES: TensorFits.
void RunTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cuda
