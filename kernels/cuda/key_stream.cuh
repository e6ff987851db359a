// Keys and values on their way from the pages of a cache to the warps of a block.
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/block_attention.cuh"

namespace transept::kernels::cuda {

// Streams the keys of a span past the kWarps warps of a block, which take its tiles in turn. Some
// tiles are always on their way, the first from construction on: that is why it is constructed
// before the kernel waits for its predecessor, and reads but keys of earlier steps.
template <typename Layout, int kWarps, typename Locate>
class KeyStream {
 public:
  using Tile = KeyTile<Layout>;
  static constexpr int kStride = kWarps * Tile::kKeys;  // between a warp's tiles

  // locate(j): where key j and its value begin. `shared`: of the block, kBytes.
  __device__ KeyStream(void* shared, KeySpan span, int head_size, Locate locate)
      : ring_(static_cast<char*>(shared) + threadIdx.x / 32 * Ring::kBytes),
        first_(span.begin + static_cast<int>(threadIdx.x) / 32 * Tile::kKeys),
        end_(span.end),
        head_size_(head_size),
        locate_(locate) {
#pragma unroll
    for (int stage = 0; stage < Ring::kStages; ++stage) Fetch(stage, first_ + stage * kStride);
  }

  // Calls fn(tile, begin, end) for each of this warp's tiles, which holds the keys [begin, end).
  template <typename Fn>
  __device__ void ForEach(Fn fn) {
    int stage = 0;
    for (int begin = first_; begin < end_; begin += kStride) {
      WaitForCopies<Ring::kStages - 1>();
      Tile tile;
      Read(stage, &tile);
      fn(tile, begin, min(begin + Tile::kKeys, end_));
      Fetch(stage, begin + Ring::kStages * kStride);
      stage = stage + 1 == Ring::kStages ? 0 : stage + 1;
    }
  }

 private:
  using Slot = Pack<typename Layout::T, Layout::kPack>;
  static constexpr int kKeysAtOnce = Tile::kKeysAtOnce;
  using Ring = LaneRing<Slot, 2 * kKeysAtOnce * Layout::kSteps, 3>;

  __device__ void Fetch(int stage, int begin) {
    if (begin < end_) {
#pragma unroll
      for (int k = 0; k < kKeysAtOnce; ++k) {
        const auto at = locate_(min(Tile::KeyOf(begin, k), end_ - 1));
        Layout::ForEachPack(head_size_, [&](int step, int column) {
          ring_.Fetch(stage, 2 * (k * Layout::kSteps + step), at.key + column);
          ring_.Fetch(stage, 2 * (k * Layout::kSteps + step) + 1, at.value + column);
        });
      }
    }
    CommitCopies();  // an empty group too, so that WaitForCopies can count
  }

  __device__ void Read(int stage, Tile* tile) const {
#pragma unroll
    for (int k = 0; k < kKeysAtOnce; ++k) {
      Layout::ForEachPack(head_size_, [&](int step, int) {
        tile->keys[k][step] = ring_.Read(stage, 2 * (k * Layout::kSteps + step));
        tile->values[k][step] = ring_.Read(stage, 2 * (k * Layout::kSteps + step) + 1);
      });
    }
  }

  Ring ring_;
  int first_;
  int end_;
  int head_size_;
  Locate locate_;

 public:
  static constexpr int kBytes = kWarps * Ring::kBytes;
};

}  // namespace transept::kernels::cuda
