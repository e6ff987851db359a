// The vectorised matrix product for many rows of x and float32 weights, as an encoder has them.
//
// simd/products.h reads both operands along k and adds up the lanes of a vector at the end, which
// suits a few rows. With many, that sum and the traffic between caches cost more than laying x out
// anew: here a vector holds one element of k for several rows, and elements of w are broadcast.
// (16-bit weights halve that traffic, and converting them would eat up what is gained.)
#pragma once

#include <cstdint>

namespace transept::kernels::cpu {

// No vector has more lanes: buffers are padded to so many rows.
inline constexpr int64_t kMostLanes = 16;

// Rows of w that a tile covers are a divisor of this.
inline constexpr int64_t kPanelColumns = 8;

inline int64_t PaddedRows(int64_t rows) {
  return (rows + kMostLanes - 1) / kMostLanes * kMostLanes;
}

// Lays out x [rows, k] for MultiplyPanels. `panels` has PaddedRows(rows) * k elements.
struct PanelSource {
  const float* x = nullptr;
  int64_t x_stride = 0;
  int64_t rows = 0;
  int64_t k = 0;
};
void FillPanels(const PanelSource& source, float* panels);

// out[m][n] = Σ_i x[m][i] w[n][i] for m < rows, n < columns.
struct PanelProducts {
  const float* panels = nullptr;  // what FillPanels made of x
  int64_t rows = 0;
  const float* w = nullptr;  // [columns, k], rows without a gap between them
  int64_t columns = 0;
  int64_t k = 0;
  // What the caller multiplies next, to be fetched from memory meanwhile; may be null.
  const float* next_w = nullptr;
  float* out = nullptr;  // [PaddedRows(rows), columns rounded up to kPanelColumns]
  int64_t out_stride = 0;
};

// As Multiply, the order of a sum depends on k alone; it is another order.
void MultiplyPanels(const PanelProducts& products);

}  // namespace transept::kernels::cpu
