// How the blocks of the persistent kernel hand results to each other: a word carries four of them
// and the number of the task that wrote it. Whoever needs it reads it again and again until the
// number is right, so that no barrier and no flag stands between writer and reader.
//
// A word may be written anew by a later task without asking its readers: every task but attention
// needs all that the one in front published, which needs that all before it have read; an attention
// task needs a head of a product's results, and does not write where that product read.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace transept::kernels::cuda {

struct alignas(16) Word {
  uint32_t low;   // two bfloat16 (or, of partial results, a float)
  uint32_t high;  // the next two
  float extra;    // the sum of the squares of what a norm will divide; or what the task says
  uint32_t epoch;
};

// 16 bytes are read and written as one.
__device__ inline Word LoadWord(const Word* at) {
  uint64_t first, second;
  asm volatile("{ .reg .b128 r; ld.relaxed.gpu.global.b128 r, [%2]; mov.b128 {%0, %1}, r; }"
               : "=l"(first), "=l"(second)
               : "l"(at)
               : "memory");
  return {static_cast<uint32_t>(first), static_cast<uint32_t>(first >> 32),
          __uint_as_float(static_cast<uint32_t>(second)), static_cast<uint32_t>(second >> 32)};
}
__device__ inline void StoreWord(Word* at, const Word& word) {
  const uint64_t first = static_cast<uint64_t>(word.high) << 32 | word.low;
  const uint64_t second = static_cast<uint64_t>(word.epoch) << 32 | __float_as_uint(word.extra);
  asm volatile(
      "{ .reg .b128 r; mov.b128 r, {%1, %2}; st.relaxed.gpu.global.b128 [%0], r; }" ::"l"(at),
      "l"(first), "l"(second)
      : "memory");
}

// What is waited for longer is a fault: the kernel ends with an error rather than never.
inline constexpr int64_t kLongestWait = int64_t{4} << 30;  // about two seconds, in cycles

// Reads a word until task `epoch` has written it. `word` is what was read before.
__device__ inline Word Await(const Word* at, uint32_t epoch, Word word) {
  if (word.epoch == epoch) return word;
  const int64_t start = clock64();
  do {
    word = LoadWord(at);
    if (clock64() - start > kLongestWait) __trap();
  } while (word.epoch != epoch);
  return word;
}
__device__ inline Word Await(const Word* at, uint32_t epoch) {
  return Await(at, epoch, LoadWord(at));
}

}  // namespace transept::kernels::cuda
