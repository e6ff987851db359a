// Matrix products of a few rows, whose time is that of reading the weight once.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/fused_product.h"

namespace transept::kernels::cuda {

// Most rows the kernel takes.
inline constexpr int64_t kMaxSkinnyRows = 32;

// Whether the kernel can serve it: 16-bit weights and inputs, a depth that is a multiple of 32 and
// rows that are multiples of 8; not a norm of its input and one of its residual.
bool SkinnySupports(const FusedProduct& product);

// How many blocks share a row of `out`.
int32_t SkinnyParts(const FusedProduct& product, const Device& device);

void RunSkinny(const FusedProduct& product, Device& device);

}  // namespace transept::kernels::cuda
