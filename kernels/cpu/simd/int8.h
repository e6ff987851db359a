// The vectorised matrix product of weights in int8: the activations of a row are rounded to int8 as
// well, with a scale of their own, and the products are summed as integers. Every path gives the
// same bits.
#pragma once

#include <cstdint>

namespace transept::kernels::cpu {

// Rows of quantised activations lie a multiple of this apart.
inline constexpr int64_t kInt8Padding = 64;

// out[i] = x[i] / scale to the nearest integer, ties to even, i < k, then zeros up to the next
// multiple of kInt8Padding. Returns the scale: the largest magnitude / 127.
float Quantize(const float* x, int64_t k, int8_t* out);

// out[m][n] = x_scales[m] * w_scales[n] * Σ_i x[m][i] w[n][i] for m < rows, n < columns.
struct Int8Products {
  const int8_t* x = nullptr;  // [rows, x_stride], each row as Quantize made it
  int64_t x_stride = 0;
  const float* x_scales = nullptr;  // [rows]
  int64_t rows = 0;
  const int8_t* w = nullptr;        // [columns, k], rows without a gap between them
  const float* w_scales = nullptr;  // [columns]
  const int32_t* w_sums = nullptr;  // [columns] Σ_i w[n][i]
  int64_t columns = 0;
  int64_t k = 0;
  // What the caller multiplies next, to be fetched from memory meanwhile; may be null.
  const int8_t* next_w = nullptr;
  float* out = nullptr;  // [rows, columns rounded up to 4]; the padding is overwritten
  int64_t out_stride = 0;
};
void Multiply(const Int8Products& products);

}  // namespace transept::kernels::cpu
