// Keys and values on their way from the pages of a cache to the warps of a block.
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/decoder_attention.cuh"

namespace transept::kernels::cuda {

// Streams the keys of a span past kWarps adjacent warps, which take its tiles in turn. Some tiles
// are always on their way, the first from construction on: that is why it is constructed before the
// kernel waits for its predecessor, and reads but keys of earlier steps. Lanes whose columns lie
// beyond the head have tiles of the first columns.
template <typename Layout, int kWarps, typename Locate>
class KeyStream {
 public:
  using T = typename Layout::T;
  using Tile = KeyTile<Layout>;
  static constexpr int kStride = kWarps * Tile::kKeys;  // between a warp's tiles

  // locate(keys, at): where in `pages` some keys in ascending order and their values lie; all lanes
  // call it together. `shared`: of the warp, kBytes.
  __device__ KeyStream(void* shared, const Pages<T>& pages, KeySpan span, const Locate& locate)
      : ring_(shared),
        pages_(pages),
        first_(span.begin + static_cast<int>(threadIdx.x) / 32 % kWarps * Tile::kKeys),
        end_(span.end),
        locate_(locate) {
    Fetch<Ring::kStages>(0, first_);
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
      Fetch<1>(stage, begin + Ring::kStages * kStride);
      stage = stage + 1 == Ring::kStages ? 0 : stage + 1;
    }
  }

 private:
  using Slot = Pack<T, Layout::kPack>;
  static constexpr int kKeysAtOnce = Tile::kKeysAtOnce;
  using Ring = LaneRing<Slot, 2 * kKeysAtOnce * Layout::kSteps, 3>;

  // Fetches kTiles tiles, the first of which begins with key `begin`, to the stages from `stage`
  // on.
  template <int kTiles>
  __device__ void Fetch(int stage, int begin) {
    int keys[kTiles * kKeysAtOnce];
    int64_t at[kTiles * kKeysAtOnce];
#pragma unroll
    for (int i = 0; i < kTiles * kKeysAtOnce; ++i) {
      const int tile = begin + i / kKeysAtOnce * kStride;
      keys[i] = min(Tile::KeyOf(tile, i % kKeysAtOnce), end_ - 1);
    }
    if (begin < end_) locate_(keys, at);
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
      if (begin + i * kStride < end_) {
#pragma unroll
        for (int k = 0; k < kKeysAtOnce; ++k) Copy(stage + i, k, at[i * kKeysAtOnce + k]);
      }
      CommitCopies();  // an empty group too, so that WaitForCopies can count
    }
  }
  __device__ void Copy(int stage, int k, int64_t at) {
    Layout::ForEveryPack(pages_.head_size, [&](int step, int column) {
      ring_.Fetch(stage, 2 * (k * Layout::kSteps + step), pages_.keys + at + column);
      ring_.Fetch(stage, 2 * (k * Layout::kSteps + step) + 1, pages_.values + at + column);
    });
  }

  __device__ void Read(int stage, Tile* tile) const {
#pragma unroll
    for (int k = 0; k < kKeysAtOnce; ++k) {
#pragma unroll
      for (int step = 0; step < Layout::kSteps; ++step) {
        tile->keys[k][step] = ring_.Read(stage, 2 * (k * Layout::kSteps + step));
        tile->values[k][step] = ring_.Read(stage, 2 * (k * Layout::kSteps + step) + 1);
      }
    }
  }

  Ring ring_;
  const Pages<T>& pages_;
  int first_;
  int end_;
  const Locate& locate_;

 public:
  static constexpr int kBytes = Ring::kBytes;  // of a warp
};

}  // namespace transept::kernels::cuda
