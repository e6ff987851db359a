// A row of scores as its thread blocks share it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace transept::kernels::cuda {

// Most tokens of a part, and the words of a set of that many.
constexpr int kMaxPart = 1 << 17;
constexpr int kMaxPartWords = kMaxPart / 32;

// The part of a row's scores that one thread block works on: tokens [begin, end).
struct RowPart {
  float* scores;  // of the whole row
  int begin;
  int end;

  __device__ bool has(int32_t token) const { return token >= begin && token < end; }
};

}  // namespace transept::kernels::cuda
