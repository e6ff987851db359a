// Keys and values on their way from the pages of a cache to tensor cores.
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/decoder_attention.cuh"

namespace transept::kernels::cuda {

inline constexpr int kTileKeys = 16;  // of a warp at once

// Some keys and their values in shared memory. The padding spreads a column over all banks.
template <typename T, int kHead>
struct KvTile {
  static constexpr int kStride = kHead + 8;
  T keys[kTileKeys * kStride];
  T values[kTileKeys * kStride];
};

// A warp's tiles on their way from the pages, every kShare-th of those that kShare adjacent warps
// share. A lane knows where every 32nd of them begins. The first tile is on its way from
// construction on, before the kernel waits for its predecessor; the others from FetchMore on:
// behind what is read of the predecessor's results, which would else arrive behind all of them.
template <typename T, int kHead, int kShare>
class TileStream {
 public:
  // Tiles that are under way or at hand.
  static constexpr int kStages = kShare > 4 || kHead > 64 ? 2 : 3;
  static constexpr int kBytes = kStages * sizeof(KvTile<T, kHead>);  // of a ring

  // `span` begins at a multiple of kTileKeys.
  __device__ TileStream(KvTile<T, kHead>* ring, const DecoderAttention<T>& p,
                        const BlockTable& table, int kv_head, KeySpan span)
      : p_(p),
        ring_(ring),
        table_(table),
        offsets_(p.pages, kv_head),
        first_(span.begin + static_cast<int>(threadIdx.x) / 32 % kShare * kTileKeys),
        end_(span.end) {
    Locate(0);
    Fetch(0, 0);
  }

  __device__ void FetchMore() {
#pragma unroll
    for (int stage = 1; stage < kStages; ++stage) Fetch(stage, stage);
  }

  // Calls fn(tile, count) for each tile of this warp, which holds `count` keys.
  template <typename Fn>
  __device__ void ForEach(Fn fn) {
    int stage = 0;
    for (int tile = 0; Begin(tile) < end_; ++tile) {
      WaitForCopies<kStages - 1>();
      __syncwarp();
      fn(ring_[stage], min(kTileKeys, end_ - Begin(tile)));
      __syncwarp();
      Fetch(stage, tile + kStages);
      stage = stage + 1 == kStages ? 0 : stage + 1;
    }
  }

 private:
  __device__ int Begin(int tile) const {
    return first_ + tile * kShare * kTileKeys;
  }

  // Looks up where the 32 tiles from `tile` on begin.
  __device__ void Locate(int tile) {
    const int key = Begin(tile + static_cast<int>(threadIdx.x) % 32);
    const int index[] = {p_.block_size.Divide(key)};
    int block[1];
    table_.LookUp(index, block);
    begins_ = offsets_(block[0], key - index[0] * p_.block_size.value());
  }

  __device__ void Fetch(int stage, int tile) {
    const int begin = Begin(tile);
    if (begin < end_) {
      if (tile > 0 && tile % 32 == 0) Locate(tile);
      const int64_t base = __shfl_sync(~0u, begins_, tile % 32);
      if (p_.block_size.value() % kTileKeys == 0) {  // all in one block
        Copy(stage, end_ - begin, [&](int row) { return base + row * p_.pages.head_size; });
      } else {
        Copy(stage, end_ - begin, [&](int row) { return At(min(begin + row, end_ - 1)); });
      }
    }
    CommitCopies();  // an empty group too, so that WaitForCopies can count
  }
  // Copies the first `count` keys of a tile. Zeros stand for those beyond, and for columns beyond
  // the head. at(row): where key `row` lies.
  template <typename Where>
  __device__ void Copy(int stage, int count, Where at) {
    constexpr int kPacks = kHead / 8;  // of a key
    const int lane = threadIdx.x % 32;
    const int column = lane % kPacks * 8;
    const bool within = column < p_.pages.head_size;
#pragma unroll
    for (int i = 0; i < kTileKeys * kPacks / 32; ++i) {
      const int row = i * (32 / kPacks) + lane / kPacks;
      const int64_t from = at(row) + (within ? column : 0);
      const int to = row * KvTile<T, kHead>::kStride + column;
      CopyAsync(ring_[stage].keys + to, p_.pages.keys + from, within && row < count);
      CopyAsync(ring_[stage].values + to, p_.pages.values + from, within && row < count);
    }
  }
  __device__ int64_t At(int key) const {
    const int index = p_.block_size.Divide(key);
    return offsets_(table_[index], key - index * p_.block_size.value());
  }

  const DecoderAttention<T>& p_;
  KvTile<T, kHead>* ring_;
  const BlockTable& table_;
  HeadOffsets offsets_;
  int first_;
  int end_;
  int64_t begins_;  // of the tile whose number is this lane's, of those looked up last
};

}  // namespace transept::kernels::cuda
