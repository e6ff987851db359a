// Matrix products of a few rows, whose time is that of reading the weight once.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Most rows the kernel takes.
inline constexpr int64_t kMaxSkinnyRows = 64;

// out = activation(in * weightᵀ + bias) + residual, or, gated, activation(in * gateᵀ) * (in * upᵀ)
// where the weight holds the gate's rows and then the up projection's.
struct SkinnyProduct {
  Matrix weight;
  Vector bias;
  ActivationFunction activation = ActivationFunction::kNone;
  bool gated = false;
  Activations in;
  Activations residual;  // null data = none
  Activations out;       // of the weight's type or float32
  int64_t rows = 0;
};

// Whether the kernel can serve it: 16-bit weights and inputs, a depth that is a multiple of 32 and
// rows that are multiples of 8.
bool SkinnySupports(const SkinnyProduct& product);

void Run(const SkinnyProduct& product, Device& device);

}  // namespace transept::kernels::cuda
