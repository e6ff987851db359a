// Cross-attention on tensor cores: 16-bit elements, heads of up to 128 in steps of 8.
#pragma once

#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {

void RunTensor(const CrossAttentionOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cuda
