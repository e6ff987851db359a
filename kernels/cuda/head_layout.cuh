// How the lanes of a warp share the elements of attention heads.
#pragma once

#include "kernels/cuda/element.cuh"

namespace transept::kernels::cuda {

// How a head's elements lie in a group of kLanes lanes: each lane has kSteps packs of kPack
// elements, kLanes packs apart.
template <typename Type, int kPackSize, int kLaneCount, int kStepCount>
struct HeadLayout {
  using T = Type;
  static constexpr int kPack = kPackSize;
  static constexpr int kLanes = kLaneCount;
  static constexpr int kSteps = kStepCount;
  static constexpr int kElements = kPack * kSteps;  // of one lane
  static constexpr int kGroups = 32 / kLanes;       // keys that a warp loads at once
  static constexpr int kMaxHeadSize = kElements * kLanes;

  // The place within the head of the first element of this lane's pack `step`.
  __device__ static int Column(int step) { return (step * kLanes + Lane() % kLanes) * kPack; }
  __device__ static int Lane() { return threadIdx.x % 32; }
  __device__ static int Group() { return Lane() / kLanes; }

  // fn(step, column) for each of this lane's packs that lies within the head.
  template <typename Fn>
  __device__ static void ForEachPack(int head_size, Fn fn) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int column = Column(step);
      if (column < head_size) fn(step, column);
    }
  }
  // The same for every pack: those that lie beyond the head stand in for the first, so that there
  // is nothing to decide.
  template <typename Fn>
  __device__ static void ForEveryPack(int head_size, Fn fn) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int column = Column(step);
      fn(step, column < head_size ? column : 0);
    }
  }
};

// Calls fn with the HeadLayout for elements of type T: 16-byte packs where the head size admits
// them (`vectorised`), single elements otherwise. Head sizes up to 256.
template <typename T, typename Fn>
void DispatchHeadSize(int head_size, bool vectorised, Fn fn) {
  constexpr int kPack = kWidest<T>;
  if (!vectorised) return fn(HeadLayout<T, 1, 32, 8>{});
  const int packs = head_size / kPack;
  if (packs <= 2) return fn(HeadLayout<T, kPack, 2, 1>{});
  if (packs <= 4) return fn(HeadLayout<T, kPack, 4, 1>{});
  if (packs <= 8) return fn(HeadLayout<T, kPack, 8, 1>{});
  if (packs <= 16) return fn(HeadLayout<T, kPack, 16, 1>{});
  if (packs <= 32) return fn(HeadLayout<T, kPack, 32, 1>{});
  return fn(HeadLayout<T, kPack, 32, 2>{});
}

}  // namespace transept::kernels::cuda
