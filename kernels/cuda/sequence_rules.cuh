// Biased and banned sequences on the GPU.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/choice.h"
#include "kernels/cuda/row_part.cuh"

namespace transept::kernels::cuda {

// Whether the rule's last token would complete its sequence. As in transformers it does not where
// the history is no longer than what comes before that token.
__device__ inline bool CanComplete(const SequenceRules& sequences, int rule, const int32_t* history,
                                   int length) {
  const int32_t* prefix = sequences.prefixes + sequences.rules[rule].prefix;
  const int size = sequences.rules[rule + 1].prefix - sequences.rules[rule].prefix;
  if (size >= length) return false;
  int equal = 0;
  while (equal < size && prefix[equal] == history[length - size + equal]) ++equal;
  return equal == size;
}

// One thread sums up all biases on a token, in their order.
__device__ inline void AddBiases(const RowPart& part, const SequenceRules& sequences,
                                 const int32_t* history, const RowChoice& row) {
  const SequenceRule* rules = sequences.rules;
  for (int i = threadIdx.x; i < row.biased_sequences; i += blockDim.x) {
    const int32_t token = rules[i].last;
    if (!part.has(token) || (i > 0 && rules[i - 1].last == token)) continue;
    float sum = 0.0f;
    for (int j = i; j < row.biased_sequences && rules[j].last == token; ++j) {
      if (CanComplete(sequences, j, history, row.length)) sum += rules[j].bias;
    }
    part.scores[token] += sum;
  }
  __syncthreads();
}

__device__ inline void BanSequences(const RowPart& part, const SequenceRules& sequences,
                                    const int32_t* history, const RowChoice& row) {
  const int end = row.biased_sequences + row.banned_sequences;
  for (int i = row.biased_sequences + threadIdx.x; i < end; i += blockDim.x) {
    const int32_t token = sequences.rules[i].last;
    if (part.has(token) && CanComplete(sequences, i, history, row.length)) {
      part.scores[token] = -INFINITY;
    }
  }
}

}  // namespace transept::kernels::cuda
