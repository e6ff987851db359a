// How thread blocks share the keys of a query.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace transept::kernels::cuda {

// Where thread blocks that share a query's keys leave their parts.
struct SplitKeys {
  int splits = 1;
  int used = 1;                 // of the splits, the first ones: those whose blocks take part
  int keys_each = 1;            // that are worth a block
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

// How many blocks take part for so many keys, the parts of SpanOf, each of which then has some: a
// step is recorded for the most keys that there may be, but few are not worth several blocks.
__device__ inline int UsedOf(const SplitKeys& split, int num_keys, int tile) {
  if (split.splits == 1) return 1;
  const int most = min(max(num_keys / split.keys_each, 1), split.splits);
  const int tiles = (num_keys + tile - 1) / tile;
  const int each = max((tiles + most - 1) / most, 1);
  return max((tiles + each - 1) / each, 1);
}

// A part is head_size sums, the largest score and the total, as in RunningSoftmax.
__host__ __device__ inline int64_t PartSize(int head_size) {
  return head_size + 2;
}

}  // namespace transept::kernels::cuda
