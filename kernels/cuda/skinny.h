// Matrix products of a few rows, whose time is that of reading the weight once.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/fused_product.h"

namespace transept::kernels::cuda {

// Most rows the kernel takes.
inline constexpr int64_t kMaxSkinnyRows = 512;

// Of so many features cuBLASLt's kernels are the faster ones however few rows there are.
inline constexpr int64_t kMaxSkinnyFeatures = 24575;

// Whether the kernel serves it: kMaxSkinnyRows and kMaxSkinnyFeatures at most, 16-bit weights and
// inputs, a depth that is a multiple of 32 and input rows that are multiples of 8 apart.
bool SkinnySupports(const FusedProduct& product);

// Up to so many rows the kernel is worth it, for a product that it supports, because of what it
// takes in: norms, biases, gates. With more, reading the input again and again takes longer than
// cuBLASLt's product and kernels for all of these would. That depends on how much of it each
// multiprocessor reads; the limits were measured on an H200.
int64_t FewRowsOf(const FusedProduct& product, int multiprocessors);

// How many blocks share a row of `out`. The norms of input and residual, of which there may be one,
// must be known.
int32_t SkinnyParts(const FusedProduct& product, const Device& device);

void RunSkinny(const FusedProduct& product, Device& device);

}  // namespace transept::kernels::cuda
