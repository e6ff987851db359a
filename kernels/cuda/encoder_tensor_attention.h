// Encoder attention on tensor cores.
#pragma once

#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {

// For bfloat16 and float16, head sizes that are multiples of 8 up to kMaxTensorHeadSize, and
// num_kv_heads = num_heads or fewer.
inline constexpr int32_t kMaxTensorHeadSize = 128;
void RunTensor(const EncoderAttentionOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cuda
