// Encoder attention on tensor cores.
#pragma once

#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {

// For bfloat16 and float16 and head sizes that are multiples of 8 up to 128.
void RunTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cuda
