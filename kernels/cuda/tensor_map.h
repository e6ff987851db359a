// Matrices as the copy engine of an H100 or H200 sees them.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/dtype.h"

namespace transept::kernels::cuda {

// Elements of a row of a tile, 128 bytes: the width of the swizzle.
inline constexpr int kMapColumns = 64;

// A matrix of 16-bit elements, of which tiles [tile_rows, kMapColumns] are copied.
struct MappedMatrix {
  const void* data = nullptr;  // aligned to 16 bytes
  DataType dtype = DataType::kBFloat16;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;      // elements from row to row, a multiple of 8
  uint32_t tile_rows = 0;  // at most 256
};

// For cp.async.bulk.tensor: a tile's 16-byte columns lie in shared memory with the swizzle of 128
// bytes, and there are zeros where it reaches beyond the matrix. The device notes an error if the
// driver refuses the matrix, or has no such maps; drivers for CUDA 13 do.
CUtensorMap MapOf(const MappedMatrix& matrix, Device& device);

}  // namespace transept::kernels::cuda
