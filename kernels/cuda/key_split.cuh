// How thread blocks share the keys of a query.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace transept::kernels::cuda {

// Where thread blocks that share a query's keys leave their parts.
struct SplitKeys {
  int splits = 1;
  int used = 1;                 // of the splits, the first ones: those whose blocks take part
  float* parts = nullptr;       // [queries, num_heads, splits, head_size + 2]
  uint32_t* arrived = nullptr;  // [queries, num_heads], zero between launches
};

// The keys [begin, end) of part `split`, as even as whole tiles allow; the last may have none.
struct KeySpan {
  int begin;
  int end;
};
__device__ inline KeySpan SpanOf(int num_keys, int split, int splits, int tile) {
  if (splits == 1) return {0, num_keys};
  const int tiles = (num_keys + tile - 1) / tile;
  const int each = (tiles + splits - 1) / splits;
  return {min(split * each * tile, num_keys), min((split + 1) * each * tile, num_keys)};
}

// How many of the parts have keys: the first ones, at least one of them.
__device__ inline int PartsOf(int num_keys, int splits, int tile) {
  if (splits == 1) return 1;
  const int tiles = (num_keys + tile - 1) / tile;
  const int each = max((tiles + splits - 1) / splits, 1);
  return max((tiles + each - 1) / each, 1);
}

// A part is head_size sums, the largest score and the total, as in RunningSoftmax.
__host__ __device__ inline int64_t PartSize(int head_size) {
  return head_size + 2;
}

}  // namespace transept::kernels::cuda
