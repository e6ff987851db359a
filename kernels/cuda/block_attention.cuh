// The second half of attention: the parts that warps and thread blocks computed become one result.
#pragma once

#include <cstdint>

#include "kernels/cuda/attend.cuh"

namespace transept::kernels::cuda {

inline constexpr int kAttentionWarps = 4;
inline constexpr int kAttentionThreads = 32 * kAttentionWarps;

// Where thread blocks that share a query's keys leave their parts. `parts` is
// [queries, num_heads, splits, head_size + 2]: the sums, the largest score, the total.
struct SplitKeys {
  int splits = 1;
  float* parts = nullptr;
  uint32_t* arrived = nullptr;  // [queries, num_heads], zero between launches
};

// The keys [begin, end) of part `split`, as even as whole tiles allow.
struct KeySpan {
  int begin;
  int end;
};
__device__ inline KeySpan SpanOf(int num_keys, int split, int splits, int tile) {
  const int tiles = (num_keys + tile - 1) / tile;
  const int each = (tiles + splits - 1) / splits;
  return {min(split * each * tile, num_keys), min((split + 1) * each * tile, num_keys)};
}

// Merges the warps of a block into warp 0 through shared memory of
// kAttentionWarps * (head_size + 2) floats. All threads call it.
template <typename Layout>
__device__ void MergeWarps(RunningSoftmax<Layout>& result, int head_size, float* shared) {
  const int warp = threadIdx.x / 32;
  float* mine = shared + warp * (head_size + 2);
  __syncthreads();
  if (Layout::Group() == 0) {
    Layout::ForEachPack(head_size, [&](int step, int column) {
      for (int i = 0; i < Layout::kPack; ++i) {
        mine[column + i] = result.out[step * Layout::kPack + i];
      }
    });
    if (Layout::Lane() == 0) {
      mine[head_size] = result.largest;
      mine[head_size + 1] = result.total;
    }
  }
  __syncthreads();
  if (warp != 0) return;
  for (int other = 1; other < kAttentionWarps; ++other) {
    const float* theirs = shared + other * (head_size + 2);
    result.Merge(theirs[head_size], theirs[head_size + 1], [&](int i) {
      const int column = Layout::Column(i / Layout::kPack) + i % Layout::kPack;
      return column < head_size ? theirs[column] : 0.0f;
    });
  }
}

// Writes the query's result, which warp 0 holds, to `out` [head_size]: zero when there was no key.
template <typename Layout>
__device__ void StoreResult(const RunningSoftmax<Layout>& result, int head_size,
                            typename Layout::T* out) {
  if (threadIdx.x / 32 != 0 || Layout::Group() != 0) return;
  const float scale = result.total > 0.0f ? 1.0f / result.total : 0.0f;
  Layout::ForEachPack(head_size, [&](int step, int column) {
    Pack<typename Layout::T, Layout::kPack> pack;
    for (int i = 0; i < Layout::kPack; ++i) {
      pack.element[i] = FromFloat<typename Layout::T>(result.out[step * Layout::kPack + i] * scale);
    }
    *reinterpret_cast<Pack<typename Layout::T, Layout::kPack>*>(out + column) = pack;
  });
}

// Leaves warp 0's part for number `index` of all (query, head) pairs in split.parts. The
// last block to do so merges all parts and returns true; its warp 0 then holds the result. All
// threads call it.
template <typename Layout>
__device__ bool MergeSplits(RunningSoftmax<Layout>& result, int head_size, const SplitKeys& split,
                            int64_t index, int part) {
  __shared__ bool last;
  const int64_t width = head_size + 2;
  float* parts = split.parts + index * split.splits * width;
  if (threadIdx.x < 32 && Layout::Group() == 0) {
    float* mine = parts + part * width;
    Layout::ForEachPack(head_size, [&](int step, int column) {
      for (int i = 0; i < Layout::kPack; ++i) {
        __stcg(mine + column + i, result.out[step * Layout::kPack + i]);
      }
    });
    if (Layout::Lane() == 0) {
      __stcg(mine + head_size, result.largest);
      __stcg(mine + head_size + 1, result.total);
    }
    __threadfence();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(split.arrived + index, 1) == static_cast<uint32_t>(split.splits - 1);
    if (last) split.arrived[index] = 0;
    __threadfence();
  }
  __syncthreads();
  if (!last) return false;
  if (threadIdx.x < 32) {
    for (int other = 0; other < split.splits; ++other) {
      if (other == part) continue;
      const float* theirs = parts + other * width;
      result.Merge(__ldcg(theirs + head_size), __ldcg(theirs + head_size + 1), [&](int i) {
        const int column = Layout::Column(i / Layout::kPack) + i % Layout::kPack;
        return column < head_size ? __ldcg(theirs + column) : 0.0f;
      });
    }
  }
  return true;
}

}  // namespace transept::kernels::cuda
