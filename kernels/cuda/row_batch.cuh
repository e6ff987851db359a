// The scores of a part of a row as the threads of a block hold them in registers, kBatch at a time,
// and in brief.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/block_select.cuh"
#include "kernels/cuda/exp2.cuh"
#include "kernels/cuda/row_part.cuh"

namespace transept::kernels::cuda {

// Of a row, or a part of it.
struct Summary {
  float max = -INFINITY;
  int32_t argmax = INT32_MAX;  // the lowest id with that score; none is behind all others
  float sum = 0.0f;            // of exp(score - max); meaningless when max is infinite

  __device__ float LogProb(float score) const {
    const float log_prob = score - max - logf(sum);
    if (max == INFINITY && score == max) return 0.0f;
    return isinf(max) || isnan(score) ? -INFINITY : log_prob;
  }
};

// exp(score - max), 0 for -infinity and NaN. `max` is no less than the score.
__device__ inline float WeightOf(float score, float max) {
  constexpr float kNone = -200.0f;  // where the result is 0 already; takes the place of NaN
  return Exp2(fmaxf(score - max, kNone) * kLog2E);
}

// A thread's scores are `kVectors` vectors of 4, kVectorStep scores apart.
constexpr int kVectors = 8;
constexpr int kVectorStep = 4 * kSelectThreads;
constexpr int kBatch = kVectors * kVectorStep;

struct RowBatch {
  float scores[kVectors][4];  // -infinity behind the part's end
  int begin;                  // the batch's first token
  int end;                    // where the part ends

  // Whether any thread has scores in this vector: the others' are not looked at.
  __device__ bool Has(int vector) const { return begin + vector * kVectorStep < end; }
  __device__ int Token(int vector, int i) const {
    return begin + vector * kVectorStep + 4 * static_cast<int>(threadIdx.x) + i;
  }

  // The part's scores from `from` on. They lie at a multiple of 16 bytes, and those of the part's
  // last vector may be followed by others up to its end, which are read but not used.
  __device__ void Read(const RowPart& part, int from) {
    begin = from;
    end = part.end;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      float4 four = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
      if (Token(v, 0) < end)
        four = __ldcs(reinterpret_cast<const float4*>(part.scores + Token(v, 0)));
      scores[v][0] = four.x;
      scores[v][1] = four.y;
      scores[v][2] = four.z;
      scores[v][3] = four.w;
    }
    if (end % 4 == 0 || begin + kBatch <= end) return;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
#pragma unroll
      for (int i = 1; i < 4; ++i) {
        if (Token(v, i) >= end) scores[v][i] = -INFINITY;
      }
    }
  }

  // The thread's largest score; NaN counts as -infinity.
  __device__ float Max() const {
    float max = -INFINITY;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      if (!Has(v)) continue;
      max = fmaxf(max, fmaxf(fmaxf(scores[v][0], scores[v][1]), fmaxf(scores[v][2], scores[v][3])));
    }
    return max;
  }

  // Adds the thread's scores to its summary of batches behind this one.
  __device__ void AddTo(Summary* summary) const {
    const float max = Max();
    if (max >= summary->max && max > -INFINITY) {
      summary->sum *= WeightOf(summary->max, max);
      summary->max = max;
      summary->argmax = FirstWith(max);
    }
    float sums[4] = {};
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      if (!Has(v)) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[i] += WeightOf(scores[v][i], summary->max);
    }
    summary->sum += (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

 private:
  // The lowest of the thread's tokens with this score, which one of them has.
  __device__ int32_t FirstWith(float score) const {
    int32_t first = 0;
#pragma unroll
    for (int v = kVectors - 1; v >= 0; --v) {
      if (!Has(v)) continue;
#pragma unroll
      for (int i = 3; i >= 0; --i) {
        if (scores[v][i] == score) first = Token(v, i);
      }
    }
    return first;
  }
};

}  // namespace transept::kernels::cuda
