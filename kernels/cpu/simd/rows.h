// Vectorised work on single rows: everything that is neither a matrix product nor attention.
#pragma once

#include <cstdint>

#include "kernels/dtype.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu {

// to[i] = from[i] * scale, or += if `accumulate`, for i < count.
struct ReadRow {
  const void* from = nullptr;
  DataType dtype = DataType::kFloat32;
  float scale = 1.0f;
  bool accumulate = false;
  float* to = nullptr;
  int64_t count = 0;
};
void Read(const ReadRow& row);

// Stores `count` floats as `dtype`, rounding to nearest, ties to even.
void Write(const float* from, int64_t count, DataType dtype, void* to);

// NormOp for one row; `in` may be `out`.
void Normalise(const NormOp& op, const float* in, float* out);

// What follows a matrix product, for a block of it:
//   out = activation(product + bias) * factor + residual.
struct Epilogue {
  int64_t rows = 0;
  int64_t columns = 0;
  const float* product = nullptr;  // [rows, columns]
  const float* factor = nullptr;   // like product; null = 1
  int64_t product_stride = 0;
  const float* bias = nullptr;  // [columns]; null = 0
  ActivationFunction activation = ActivationFunction::kNone;
  const float* residual = nullptr;  // [rows, columns], may be `out`; null = 0
  int64_t residual_stride = 0;
  float* out = nullptr;  // [rows, columns]
  int64_t out_stride = 0;
};
void Finish(const Epilogue& epilogue);

}  // namespace transept::kernels::cpu
