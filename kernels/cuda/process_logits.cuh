// The logits processors (engine/decode/processors.cc) on the GPU.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/row_part.cuh"
#include "kernels/cuda/select.h"
#include "kernels/cuda/sequence_rules.cuh"

namespace transept::kernels::cuda {

// A row's choice, copied by all of the block's threads. It is the step's input, so that this may be
// done before the predecessor has ended.
__device__ inline const RowChoice& CopyOf(const RowChoice& row) {
  constexpr int kWords = sizeof(RowChoice) / sizeof(uint32_t);
  __shared__ alignas(RowChoice) uint32_t words[kWords];
  static_assert(alignof(RowChoice) % sizeof(uint32_t) == 0 && kWords <= 128);
  if (threadIdx.x < kWords) {
    words[threadIdx.x] = reinterpret_cast<const uint32_t*>(&row)[threadIdx.x];
  }
  __syncthreads();
  return reinterpret_cast<const RowChoice&>(words);
}

// Calls visit(token) for each of the part's tokens in a set, by one thread each.
template <typename Visit>
__device__ void ForEach(int set, const RowPart& part, const RowSlots& slots, const RowChoice& row,
                        const Visit& visit) {
  const uint32_t* words = slots.token_sets + (row.slot * kTokenSets + set) * slots.set_words;
  for (int w = part.begin / 32 + threadIdx.x; w * 32 < part.end; w += blockDim.x) {
    for (uint32_t left = words[w]; left != 0; left &= left - 1) {
      const int32_t token = w * 32 + __ffs(left) - 1;
      if (part.has(token)) visit(token);
    }
  }
}

__device__ inline float Penalized(float score, float penalty) {
  return score < 0 ? score * penalty : score / penalty;
}

__device__ inline void PenalizeSource(const RowPart& part, const RowSlots& slots,
                                      const RowChoice& row) {
  ForEach(static_cast<int>(TokenSet::kSource), part, slots, row, [&](int32_t token) {
    part.scores[token] = Penalized(part.scores[token], row.source_penalty);
  });
  __syncthreads();
}

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
    part.scores[token] = Penalized(part.scores[token], row.repetition_penalty);
  }
  __syncthreads();
}

// What is banned stays so.
__device__ inline void RaiseEos(const RowPart& part, const RowSlots& slots, const RowChoice& row) {
  ForEach(static_cast<int>(TokenSet::kEos), part, slots, row, [&](int32_t token) {
    const float score = part.scores[token];
    if (score > -INFINITY) part.scores[token] = score + fabsf(score) * row.eos_raise;
  });
  __syncthreads();
}

// Bans the last token of every n-gram of `text` that begins with the history's last n - 1 tokens.
__device__ inline void BanNgrams(const RowPart& part, const int32_t* text, int length, int n,
                                 const int32_t* history, const RowChoice& row) {
  const int prefix = n - 1;
  const int32_t* last = history + row.length - prefix;
  for (int i = threadIdx.x; i + prefix < length; i += blockDim.x) {
    int equal = 0;
    while (equal < prefix && text[i + equal] == last[equal]) ++equal;
    const int32_t token = text[i + prefix];
    if (equal == prefix && part.has(token)) part.scores[token] = -INFINITY;
  }
}

__device__ inline void BanSets(const RowPart& part, const RowSlots& slots, const RowChoice& row) {
  for (int set = 0; set < kTokenSets; ++set) {
    if (!(row.banned_sets >> set & 1)) continue;
    ForEach(set, part, slots, row, [&](int32_t token) { part.scores[token] = -INFINITY; });
  }
}

// What comes before a forced token. Bans commute, with each other and with raising EOS.
__device__ inline void ProcessFree(const RowPart& part, const RowSlots& slots, const RowChoice& row,
                                   uint32_t* seen) {
  const int32_t* history = slots.history + row.slot * slots.history_stride;
  if (row.biased_sequences > 0) AddBiases(part, slots.sequences[row.slot], history, row);
  if (row.source_penalty != 1.0f) PenalizeSource(part, slots, row);
  if (row.repetition_penalty != 1.0f) PenalizeRepetition(part, history, row, seen);
  if (row.eos_raise != 0.0f) RaiseEos(part, slots, row);
  if (row.no_repeat_ngram_size > 0) {
    BanNgrams(part, history, row.length, row.no_repeat_ngram_size, history, row);
  }
  if (row.source_ngram_size > 0) {
    const int32_t* source = slots.sources + row.slot * slots.source_stride;
    BanNgrams(part, source, row.source_length, row.source_ngram_size, history, row);
  }
  if (row.banned_sequences > 0) BanSequences(part, slots.sequences[row.slot], history, row);
}

// Whether the chain does anything but ban sets.
__device__ inline bool ProcessesMore(const RowChoice& row) {
  return row.biased_sequences > 0 || row.source_penalty != 1.0f || row.repetition_penalty != 1.0f ||
         row.no_repeat_ngram_size > 0 || row.source_ngram_size > 0 || row.banned_sequences > 0 ||
         row.forced_token >= 0 || row.eos_raise != 0.0f;
}

// Whether the chain changes anything.
__device__ inline bool Processes(const RowChoice& row) {
  return ProcessesMore(row) || row.banned_sets != 0;
}

// Whether the row's most likely token that is in no banned set is all that is asked for.
__device__ inline bool IsPlain(const RowChoice& row) {
  return !ProcessesMore(row) && row.beams == 0 && !row.sample && row.top_tokens == 0;
}

// Runs the chain over one part; all of the block's threads see the result. `seen` has kMaxPartWords
// words of shared memory.
__device__ inline void ProcessLogits(const RowPart& part, const RowSlots& slots,
                                     const RowChoice& row, uint32_t* seen) {
  if (row.forced_token >= 0) {
    for (int i = part.begin + threadIdx.x; i < part.end; i += blockDim.x) {
      part.scores[i] = i == row.forced_token ? 0.0f : -INFINITY;
    }
    __syncthreads();
  } else {
    ProcessFree(part, slots, row, seen);
  }
  if (row.banned_sets != 0) BanSets(part, slots, row);
  const bool bans = row.no_repeat_ngram_size > 0 || row.source_ngram_size > 0 ||
                    row.banned_sequences > 0 || row.banned_sets != 0;
  if (bans) __syncthreads();
}

}  // namespace transept::kernels::cuda
