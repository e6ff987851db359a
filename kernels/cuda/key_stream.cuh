// Keys and values on their way from the pages of a cache to the warps of a block.
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/decoder_attention.cuh"

namespace transept::kernels::cuda {

// Streams the keys of a span past kWarps adjacent warps, which take its tiles in turn. The first
// tile is on its way from construction on: that is why it is constructed before the kernel waits
// for its predecessor, and reads but keys of earlier steps. The others are from FetchMore on:
// behind what is read of the predecessor's results, which would else arrive behind all of them.
// Lanes whose columns lie beyond the head have tiles of the first columns.
template <typename Layout, int kWarps, typename Where>
class KeyStream {
 public:
  using T = typename Layout::T;
  using Tile = KeyTile<Layout>;
  static constexpr int kStride = kWarps * Tile::kKeys;  // between a warp's tiles

  // locate(keys, at): where in `pages` some keys in ascending order and their values lie; all lanes
  // call it together. `shared`: of the warp, kBytes.
  __device__ KeyStream(void* shared, const Pages<T>& pages, KeySpan span, const Where& locate)
      : ring_(shared),
        pages_(pages),
        first_(span.begin + static_cast<int>(threadIdx.x) / 32 % kWarps * Tile::kKeys),
        end_(span.end),
        locate_(locate) {
    Locate(first_, more_);
    Copy(0, first_, more_);
  }

  __device__ void FetchMore() const {
#pragma unroll
    for (int stage = 1; stage < Ring::kStages; ++stage) {
      Copy(stage, first_ + stage * kStride, more_ + stage * kKeysAtOnce);
    }
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
      const int next = begin + Ring::kStages * kStride;
      int64_t at[kKeysAtOnce];
      Locate(next, at);
      Copy(stage, next, at);
      stage = stage + 1 == Ring::kStages ? 0 : stage + 1;
    }
  }

 private:
  using Slot = Pack<T, Layout::kPack>;
  static constexpr int kKeysAtOnce = Tile::kKeysAtOnce;
  using Ring = LaneRing<Slot, 2 * kKeysAtOnce * Layout::kSteps, 3>;

  // Where the keys of some tiles lie, the first of which begins with key `begin`, if that is there.
  template <int kCount>
  __device__ void Locate(int begin, int64_t (&at)[kCount]) const {
    int keys[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      keys[i] = min(Tile::KeyOf(begin + i / kKeysAtOnce * kStride, i % kKeysAtOnce), end_ - 1);
    }
    if (begin < end_) locate_(keys, at);
  }
  // Starts copying the tile that begins with key `begin`, if that is there.
  __device__ void Copy(int stage, int begin, const int64_t* at) const {
    if (begin < end_) {
#pragma unroll
      for (int k = 0; k < kKeysAtOnce; ++k) {
        Layout::ForEveryPack(pages_.head_size, [&](int step, int column) {
          const int slot = 2 * (k * Layout::kSteps + step);
          ring_.Fetch(stage, slot, pages_.keys + at[k] + column);
          ring_.Fetch(stage, slot + 1, pages_.values + at[k] + column);
        });
      }
    }
    CommitCopies();  // an empty group too, so that WaitForCopies can count
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
  const Where& locate_;
  int64_t more_[Ring::kStages * kKeysAtOnce];  // where the keys of the first tiles lie

 public:
  static constexpr int kBytes = Ring::kBytes;  // of a warp
};

}  // namespace transept::kernels::cuda
