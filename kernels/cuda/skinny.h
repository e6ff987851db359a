// Matrix products of a few rows, whose time is that of reading the weight once.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Most rows the kernel takes.
inline constexpr int64_t kMaxSkinnyRows = 32;

// An RMS norm that has no kernel of its own: whoever writes a row of its input also writes the row
// times the norm's weight and the sum of its squares, and whoever reads that divides its results by
// the root of the mean square. A block writes part of a row, and its part of the sum.
struct SplitNorm {
  const float* weight = nullptr;  // [width]; null = no norm
  float eps = 0.0f;
  float output_scale = 1.0f;
  int64_t width = 0;
  void* scaled = nullptr;  // [rows, width] in 16 bits: the input times the weight
  int64_t scaled_stride = 0;
  float* squares = nullptr;  // [rows, parts]
  int32_t parts = 0;
};
// Most parts of a row.
inline constexpr int32_t kMaxParts = 1024;

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
  SplitNorm norm_before;  // `in` holds what it left: SplitNorm::scaled
  SplitNorm norm_after;   // of `out`, which is float32; its `parts` are PartsOf(product)
};

// The product that an operation is.
SkinnyProduct SkinnyOf(const LinearOp& op, int64_t rows);
SkinnyProduct SkinnyOf(const GatedLinearOp& op, int64_t rows);

// Whether the kernel can serve it: 16-bit weights and inputs, a depth that is a multiple of 32 and
// rows that are multiples of 8.
bool SkinnySupports(const SkinnyProduct& product);

// `norm` with its halves in skinny products; null gives none.
SplitNorm Split(const NormOp* norm, float* squares, int32_t parts);

// How many blocks share a row of `out`.
int32_t PartsOf(const SkinnyProduct& product, const Device& device);

void Run(const SkinnyProduct& product, Device& device);

}  // namespace transept::kernels::cuda
