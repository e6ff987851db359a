// The pages of a K/V cache, and how a kernel finds its keys in them.
#pragma once

#include <cstdint>

#include "kernels/tensor.h"

namespace transept::kernels::cuda {

// A paged cache with typed elements.
template <typename T>
struct Pages {
  explicit Pages(const PagedKv& cache)
      : keys(static_cast<T*>(cache.keys)),
        values(static_cast<T*>(cache.values)),
        block_size(cache.block_size),
        num_kv_heads(cache.num_kv_heads),
        head_size(cache.head_size) {}

  __device__ Pages(void* keys, void* values, int block_size, int num_kv_heads, int head_size)
      : keys(static_cast<T*>(keys)),
        values(static_cast<T*>(values)),
        block_size(block_size),
        num_kv_heads(num_kv_heads),
        head_size(head_size) {}

  __device__ int64_t Offset(int block, int within, int head) const {
    return ((static_cast<int64_t>(block) * num_kv_heads + head) * block_size + within) * head_size;
  }

  T* keys;
  T* values;
  int block_size;
  int num_kv_heads;
  int head_size;
};

// Where the keys of one head of a cache, and likewise their values, lie.
class HeadOffsets {
 public:
  template <typename T>
  __device__ HeadOffsets(const Pages<T>& pages, int head)
      : head_size_(pages.head_size),
        head_(head * pages.block_size * pages.head_size),
        block_(pages.num_kv_heads * pages.block_size * pages.head_size) {}

  __device__ int64_t operator()(int block, int within) const {
    return static_cast<int64_t>(block) * block_ + (head_ + within * head_size_);
  }

 private:
  int head_size_;
  int head_;   // elements before those of the head in a block
  int block_;  // elements of a block
};

// Divides by a number that is the same for a whole launch, in an instruction or two. Exact while
// dividend * divisor < 2^32.
class Divisor {
 public:
  explicit Divisor(int divisor)
      : divisor_(divisor),
        inverse_(static_cast<uint32_t>(((uint64_t{1} << 32) + divisor - 1) / divisor)) {}

  __device__ int value() const { return divisor_; }
  __device__ int Divide(int dividend) const {
    return divisor_ == 1 ? dividend : static_cast<int>(__umulhi(dividend, inverse_));
  }

 private:
  int divisor_;
  uint32_t inverse_;  // 2^32 / divisor, rounded up
};

// Loads one of a step's inputs at once, also where it is used but in a branch further down.
__device__ inline int32_t LoadInput(const int32_t* from) {
  int32_t value;
  asm volatile("ld.volatile.global.s32 %0, [%1];" : "=r"(value) : "l"(from));
  return value;
}

// The blocks of a row or source. A warp loads the first 32 of them right away, one a lane, so that
// nothing that they depend on has to be known before.
class BlockTable {
 public:
  __device__ BlockTable(const int32_t* blocks, int64_t size)
      : blocks_(blocks), size_(static_cast<int>(size)) {
    const int lane = threadIdx.x % 32;
    first_ = lane < size_ ? LoadInput(blocks + lane) : 0;
  }

  // Looks up blocks by their index, ascending; beyond the end there is a 0. All lanes of a warp
  // call it together, each for blocks of its own.
  template <int kCount>
  __device__ void LookUp(const int (&index)[kCount], int (&block)[kCount]) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) block[i] = __shfl_sync(~0u, first_, index[i] & 31);
    if (index[kCount - 1] < 32) return;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (index[i] >= 32) block[i] = index[i] < size_ ? blocks_[index[i]] : 0;
    }
  }
  // For lanes that are on their own. `index` must be within the table.
  __device__ int operator[](int index) const {
    return blocks_[index];
  }

 private:
  const int32_t* blocks_;
  int size_;
  int first_;  // this lane's
};

}  // namespace transept::kernels::cuda
