// The logits processors (engine/decode/processors.cc) on the GPU.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/select.h"

namespace transept::kernels::cuda {

// Most tokens of a part, and the words of a set of that many.
constexpr int kMaxPart = 1 << 17;
constexpr int kMaxPartWords = kMaxPart / 32;

// The part of a row's scores that one thread block works on: tokens [begin, end).
struct RowPart {
  float* scores;  // of the whole row
  int begin;
  int end;

  __device__ bool has(int32_t token) const { return token >= begin && token < end; }
};

// Every token of the history once, however often it occurs.
__device__ inline void PenalizeRepetition(const RowPart& part, const int32_t* history,
                                          const RowChoice& row, uint32_t* seen) {
  for (int i = threadIdx.x; i < (part.end - part.begin + 31) / 32; i += blockDim.x) seen[i] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < row.length; i += blockDim.x) {
    const int32_t token = history[i];
    if (!part.has(token)) continue;
    const uint32_t bit = 1u << ((token - part.begin) % 32);
    if (atomicOr(&seen[(token - part.begin) / 32], bit) & bit) continue;
    const float score = part.scores[token];
    part.scores[token] =
        score < 0 ? score * row.repetition_penalty : score / row.repetition_penalty;
  }
  __syncthreads();
}

// Bans the last token of every n-gram of the history that begins with its last n - 1 tokens.
__device__ inline void BanRepeatedNgrams(const RowPart& part, const int32_t* history,
                                         const RowChoice& row) {
  const int prefix = row.no_repeat_ngram_size - 1;
  const int32_t* last = history + row.length - prefix;
  for (int i = threadIdx.x; i + prefix < row.length; i += blockDim.x) {
    int equal = 0;
    while (equal < prefix && history[i + equal] == last[equal]) ++equal;
    const int32_t token = history[i + prefix];
    if (equal == prefix && part.has(token)) part.scores[token] = -INFINITY;
  }
}

__device__ inline void BanSets(const RowPart& part, const RowSlots& slots, const RowChoice& row) {
  for (int set = 0; set < kTokenSets; ++set) {
    if (!(row.banned_sets >> set & 1)) continue;
    const uint32_t* words = slots.token_sets + (row.slot * kTokenSets + set) * slots.set_words;
    for (int w = part.begin / 32 + threadIdx.x; w * 32 < part.end; w += blockDim.x) {
      for (uint32_t left = words[w]; left != 0; left &= left - 1) {
        const int32_t token = w * 32 + __ffs(left) - 1;
        if (part.has(token)) part.scores[token] = -INFINITY;
      }
    }
  }
}

// Runs the chain over one part; all of the block's threads see the result. `seen` has kMaxPartWords
// words of shared memory. Bans commute, so they need no order among themselves.
__device__ inline void ProcessLogits(const RowPart& part, const RowSlots& slots,
                                     const RowChoice& row, uint32_t* seen) {
  const int32_t* history = slots.history + row.slot * slots.history_stride;
  if (row.forced_token >= 0) {
    for (int i = part.begin + threadIdx.x; i < part.end; i += blockDim.x) {
      part.scores[i] = i == row.forced_token ? 0.0f : -INFINITY;
    }
    __syncthreads();
  } else {
    if (row.repetition_penalty != 1.0f) PenalizeRepetition(part, history, row, seen);
    if (row.no_repeat_ngram_size > 0) BanRepeatedNgrams(part, history, row);
  }
  if (row.banned_sets != 0) BanSets(part, slots, row);
  if (row.no_repeat_ngram_size > 0 || row.banned_sets != 0) __syncthreads();
}

}  // namespace transept::kernels::cuda
