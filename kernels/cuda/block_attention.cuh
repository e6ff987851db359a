// The second half of attention: what warps and thread blocks computed of a query's keys becomes its
// result.
#pragma once

#include <cstdint>

#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/key_split.cuh"

namespace transept::kernels::cuda {

// Parts that lie `stride` floats apart.
struct Parts {
  float* first;
  int64_t stride;
};

// One column of `count` parts merged, each read by one thread: no exchange is needed.
struct Column {
  float sum = 0.0f;
  float largest = -INFINITY;
  float total = 0.0f;
};
template <typename T, typename Load>
__device__ Column MergeColumn(const Parts& parts, int count, int head_size, int column, Load load) {
  Column merged;
#pragma unroll 8
  for (int i = 0; i < count; ++i) {
    merged.largest = fmaxf(merged.largest, load(parts.first + i * parts.stride + head_size));
  }
  if (merged.largest == -INFINITY) return merged;
#pragma unroll 8
  for (int i = 0; i < count; ++i) {
    const float* part = parts.first + i * parts.stride;
    const float weight = Exp<T>(load(part + head_size) - merged.largest);
    merged.sum += weight * load(part + column);
    merged.total += weight * load(part + head_size + 1);
  }
  return merged;
}

// The result of one query: of the parts that kWarps adjacent warps left in shared memory, and of
// all blocks that share the query's keys, the last of which writes it to `out` [head_size], zeros
// when there was no key. `index` counts (query, head) pairs. All threads of the warps call it; they
// are the whole block where blocks share keys.
template <typename T, int kWarps>
__device__ void MergeWarps(const Parts& warps, int head_size, const SplitKeys& split, int64_t index,
                           T* out) {
  const int thread = threadIdx.x % (32 * kWarps);
  const int64_t size = PartSize(head_size);
  const auto store = [&](int column, const Column& merged) {
    out[column] = FromFloat<T>(merged.total == 0.0f ? 0.0f : merged.sum / merged.total);
  };
  const Parts parts{split.parts + index * split.splits * size, size};
  float* const part = parts.first + blockIdx.z * size;
  for (int column = thread; column < head_size; column += 32 * kWarps) {
    const Column merged =
        MergeColumn<T>(warps, kWarps, head_size, column, [](const float* p) { return *p; });
    if (split.used == 1) {
      store(column, merged);
      continue;
    }
    __stcg(part + column, merged.sum);
    if (column == 0) {
      __stcg(part + head_size, merged.largest);
      __stcg(part + head_size + 1, merged.total);
    }
    __threadfence();
  }
  if (split.used == 1) return;

  __shared__ bool last;
  __syncthreads();
  if (thread == 0) {
    last = atomicAdd(split.arrived + index, 1) == static_cast<uint32_t>(split.used - 1);
    if (last) split.arrived[index] = 0;
    __threadfence();
  }
  __syncthreads();
  if (!last) return;
  for (int column = thread; column < head_size; column += 32 * kWarps) {
    store(column, MergeColumn<T>(parts, split.used, head_size, column,
                                 [](const float* p) { return __ldcg(p); }));
  }
}

// The result of one query, all of whose keys this warp has met, to `out` [head_size]: zeros when
// there was none.
template <typename Layout>
__device__ void FinishQuery(RunningSoftmax<Layout>& result, int head_size,
                            typename Layout::T* out) {
  using T = typename Layout::T;
  result.MergeGroups();
  if (Layout::Group() != 0) return;
  const float factor = result.total == 0.0f ? 0.0f : 1.0f / result.total;
  Layout::ForEachPack(head_size, [&](int step, int column) {
    Pack<T, Layout::kPack> pack;
#pragma unroll
    for (int i = 0; i < Layout::kPack; ++i) {
      pack.element[i] = FromFloat<T>(result.out[step * Layout::kPack + i] * factor);
    }
    *reinterpret_cast<Pack<T, Layout::kPack>*>(out + column) = pack;
  });
}

// The same where the kWarps warps of the block share the keys, with each other and perhaps with
// other blocks, as in MergeWarps. `shared`: kWarps * PartSize floats.
template <typename Layout, int kWarps>
__device__ void FinishQuery(RunningSoftmax<Layout>& result, int head_size, const SplitKeys& split,
                            int64_t index, float* shared, typename Layout::T* out) {
  const int64_t size = PartSize(head_size);
  result.MergeGroups();
  __syncthreads();
  if (Layout::Group() == 0) {
    float* mine = shared + threadIdx.x / 32 * size;
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
  MergeWarps<typename Layout::T, kWarps>({shared, size}, head_size, split, index, out);
}

}  // namespace transept::kernels::cuda
