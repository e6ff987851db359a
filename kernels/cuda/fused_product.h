// A matrix product with all that its operation has around it: what kernels of few rows compute.
#pragma once

#include "kernels/cuda/split_norm.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// out = activation(in * weightᵀ + bias) + residual, or, gated, activation(in * gateᵀ) * (in * upᵀ)
// where the weight holds the gate's rows and then the up projection's.
struct FusedProduct {
  Matrix weight;
  Vector bias = {};
  ActivationFunction activation = ActivationFunction::kNone;
  bool gated = false;
  Activations in;
  Activations residual = {};  // float32; null data = none
  Activations out;            // of the weight's type or float32
  int64_t rows = 0;
  SplitNorm norm_before = {};    // `in` holds what it left: SplitNorm::scaled
  FoldedNorm folded = {};        // with norm_before
  SplitNorm norm_after = {};     // of `out`, which is float32
  SplitNorm norm_residual = {};  // `residual` is its input; to be added is what it makes of that
};

// The product that an operation is, without norms.
inline FusedProduct ProductOf(const LinearOp& op, int64_t rows) {
  return {.weight = op.weight,
          .bias = op.bias,
          .activation = op.activation,
          .in = op.in,
          .residual = op.residual,
          .out = op.out,
          .rows = rows};
}
inline FusedProduct ProductOf(const GatedLinearOp& op, int64_t rows) {
  return {.weight = op.weight,
          .activation = op.activation,
          .gated = true,
          .in = op.in,
          .out = op.out,
          .rows = rows};
}

}  // namespace transept::kernels::cuda
