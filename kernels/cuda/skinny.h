// Matrix products of a few rows, whose time is that of reading the weight once.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/fused_product.h"

namespace transept::kernels::cuda {

// Most rows the kernel takes.
inline constexpr int64_t kMaxSkinnyRows = 128;

// Of so many features cuBLASLt's kernels are the faster ones however few rows there are.
inline constexpr int64_t kMaxSkinnyFeatures = 24575;

// Whether the kernel serves it: kMaxSkinnyRows and kMaxSkinnyFeatures at most, 16-bit weights and
// inputs, a depth that is a multiple of 32 and input rows that are multiples of 8 apart.
bool SkinnySupports(const FusedProduct& product);

// Up to so many rows of a program the kernel is worth it for all that it takes in: norms, biases,
// gates. With more, reading the input again and again takes longer than kernels for all of these
// would, the sooner the wider the residual stream is. The choice of widths was measured on an H200.
int64_t FewRowsFor(int64_t stream_width);

// Whether it is the faster one of a product that cuBLASLt serves as well, because there is no norm
// around it.
bool SkinnyPays(const FusedProduct& product);

// How many blocks share a row of `out`. The norms of input and residual, of which there may be one,
// must be known.
int32_t SkinnyParts(const FusedProduct& product, const Device& device);

void RunSkinny(const FusedProduct& product, Device& device);

}  // namespace transept::kernels::cuda
