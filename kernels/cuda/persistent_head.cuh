// What the warps of a block of the persistent kernel make of an attention head's keys.
#pragma once

#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/persistent_block.cuh"

namespace transept::kernels::cuda {

using PersistentLayout = HeadLayout<BFloat16, 8, kMaxHeadSize / 8, 1>;

// A head's query against keys: what this block's warps came to.
class PersistentHead {
 public:
  using Tile = KeyTile<PersistentLayout>;
  static constexpr int kStride = kPersistentWarps * Tile::kKeys;

  // The warps take the keys [begin, end) in turn. The first are on their way from construction on.
  template <typename Locate>
  __device__ PersistentHead(const AttentionTask& task, KeySpan span, Locate locate)
      : task_(task), span_(span), mine_(span.begin + Warp() * Tile::kKeys) {
    if (mine_ < span.end) {
      Fetch(mine_, min(mine_ + Tile::kKeys, span.end), locate);
    }
  }

  // Warps that have keys.
  __device__ int warps() const {
    return min((span_.end - span_.begin + Tile::kKeys - 1) / Tile::kKeys, kPersistentWarps);
  }

  template <typename Locate, typename Bias>
  __device__ void Attend(const BFloat16* query, Locate locate, Bias bias) {
    attention_.LoadQuery(query, task_.head_size, task_.scale);
#pragma unroll 1
    for (int first = mine_; first < span_.end; first += kStride) {
      const int last = min(first + Tile::kKeys, span_.end);
      if (first > mine_) Fetch(first, last, locate);
      attention_.Attend(Fetched(), first, last, task_.head_size, bias);
    }
  }
  // Takes one more key in.
  template <typename Bias>
  __device__ void AttendTo(int key, const KeyValue<BFloat16>& at, Bias bias) {
    Tile tile;
    tile.Load(key, key + 1, task_.head_size, [&](int) { return at; });
    attention_.Attend(tile, key, key + 1, task_.head_size, bias);
  }

  // Leaves what a warp came to in its part.
  __device__ void Leave(float* part) {
    attention_.result.MergeGroups();
    if (PersistentLayout::Group() != 0) return;
    PersistentLayout::ForEachPack(task_.head_size, [&](int step, int column) {
      for (int i = 0; i < PersistentLayout::kPack; ++i) {
        part[column + i] = attention_.result.out[step * PersistentLayout::kPack + i];
      }
    });
    if (PersistentLayout::Lane() == 0) {
      part[task_.head_size] = attention_.result.largest;
      part[task_.head_size + 1] = attention_.result.total;
    }
  }
  __device__ static int Warp() {
    return static_cast<int>(threadIdx.x) / 32;
  }

 private:
  template <typename Locate>
  __device__ void Fetch(int begin, int end, Locate locate) {
    const int column = PersistentLayout::Column(0);
    if (column >= task_.head_size) return;
#pragma unroll
    for (int k = 0; k < Tile::kKeysAtOnce; ++k) {
      const auto at = locate(min(Tile::KeyOf(begin, k), end - 1));
      keys_[k] = LoadPack(at.key + column);
      values_[k] = LoadPack(at.value + column);
    }
  }
  __device__ static uint4 LoadPack(const BFloat16* from) {
    uint4 r;
    asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
                 : "l"(from));
    return r;
  }
  __device__ Tile Fetched() const {
    Tile tile;
#pragma unroll
    for (int k = 0; k < Tile::kKeysAtOnce; ++k) {
      *reinterpret_cast<uint4*>(&tile.keys[k]) = keys_[k];
      *reinterpret_cast<uint4*>(&tile.values[k]) = values_[k];
    }
    return tile;
  }

  const AttentionTask& task_;
  const KeySpan span_;
  const int mine_;
  uint4 keys_[Tile::kKeysAtOnce];  // of a tile; as elements they would take twice the registers
  uint4 values_[Tile::kKeysAtOnce];
  WarpAttention<PersistentLayout> attention_;
};

}  // namespace transept::kernels::cuda
