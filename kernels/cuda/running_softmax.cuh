// Softmax over keys that come bit by bit (Milakov and Gimelshein, "Online normalizer calculation
// for softmax", 2018).
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/exp2.cuh"
#include "kernels/cuda/head_layout.cuh"

namespace transept::kernels::cuda {

template <typename T>
__device__ inline float Exp(float x) {
  if constexpr (sizeof(T) == 4) return expf(x);
  return Exp2(x * kLog2E);
}

// The elements of a pack, those of bfloat16 in an instruction each.
template <typename T, int kCount>
__device__ inline void ToFloats(const Pack<T, kCount>& pack, float (&elements)[kCount]) {
  if constexpr (std::is_same_v<T, BFloat16> && kCount % 2 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 2) {
      uint32_t pair;
      memcpy(&pair, pack.element + i, sizeof(pair));
      elements[i] = __uint_as_float(pair << 16);
      elements[i + 1] = __uint_as_float(pair & 0xffff0000u);
    }
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) elements[i] = ToFloat(pack.element[i]);
  }
}

// One query's result over the keys that a group of lanes has met: each lane holds its elements of
// the head, all lanes the same largest score and total.
template <typename Layout>
struct RunningSoftmax {
  using T = typename Layout::T;
  using Packs = Pack<T, Layout::kPack>[Layout::kSteps];

  float out[Layout::kElements] = {};  // Σ exp(score - largest) * value
  float largest = -INFINITY;
  float total = 0.0f;  // Σ exp(score - largest)

  // Takes kCount keys in, by their scores and values.
  template <int kCount>
  __device__ void Add(const float (&scores)[kCount], const Packs (&values)[kCount], int head_size) {
    float next = largest;
#pragma unroll
    for (int k = 0; k < kCount; ++k) next = fmaxf(next, scores[k]);
    if (next == -INFINITY) return;  // the group has met no key yet
    Scale(Exp<T>(largest - next));
    largest = next;
#pragma unroll
    for (int k = 0; k < kCount; ++k) {
      const float weight = Exp<T>(scores[k] - next);
      total += weight;
      Layout::ForEachPack(head_size, [&](int step, int) {
        float elements[Layout::kPack];
        ToFloats(values[k][step], elements);
#pragma unroll
        for (int i = 0; i < Layout::kPack; ++i) {
          out[step * Layout::kPack + i] += weight * elements[i];
        }
      });
    }
  }

  // Takes in what another part of the keys came to; read(i) gives its element i of this lane.
  template <typename Read>
  __device__ void Merge(float other_largest, float other_total, Read read) {
    const float both = fmaxf(largest, other_largest);
    if (both == -INFINITY) return;
    Scale(Exp<T>(largest - both));
    largest = both;
    const float theirs = Exp<T>(other_largest - both);
#pragma unroll
    for (int i = 0; i < Layout::kElements; ++i) out[i] += read(i) * theirs;
    total += other_total * theirs;
  }

  // Afterwards every group of the warp holds the result of all.
  __device__ void MergeGroups() {
#pragma unroll
    for (int distance = Layout::kLanes; distance < 32; distance *= 2) {
      const float other_largest = __shfl_xor_sync(~0u, largest, distance);
      const float other_total = __shfl_xor_sync(~0u, total, distance);
      float other[Layout::kElements];
#pragma unroll
      for (int i = 0; i < Layout::kElements; ++i) {
        other[i] = __shfl_xor_sync(~0u, out[i], distance);
      }
      Merge(other_largest, other_total, [&](int i) { return other[i]; });
    }
  }

 private:
  __device__ void Scale(float factor) {
    total *= factor;
#pragma unroll
    for (int i = 0; i < Layout::kElements; ++i) out[i] *= factor;
  }
};

}  // namespace transept::kernels::cuda
