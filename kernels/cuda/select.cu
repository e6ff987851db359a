#include "kernels/cuda/select.h"

#include <algorithm>

#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    Resolve(int32_t* token_ids, int64_t count, const int32_t* last_tokens) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count && token_ids[i] < 0) token_ids[i] = last_tokens[-1 - token_ids[i]];
}

// Part of a row's scores in brief.
struct Summary {
  float max = -INFINITY;
  int32_t argmax = 0;  // the lowest id with that score
  float sum = 0.0f;    // of exp(score - max)
};

// Lane-wise, for reductions. Empty parts have max -infinity and sum 0.
__device__ Summary Merge(const Summary& a, const Summary& b) {
  const bool second = b.max > a.max || (b.max == a.max && b.argmax < a.argmax);
  const Summary& top = second ? b : a;
  const Summary& other = second ? a : b;
  const float share = other.max == -INFINITY ? 0.0f : other.sum * expf(other.max - top.max);
  return {top.max, top.argmax, top.sum + share};
}

__device__ Summary MergeWarp(Summary s) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    const Summary other{__shfl_xor_sync(~0u, s.max, distance),
                        __shfl_xor_sync(~0u, s.argmax, distance),
                        __shfl_xor_sync(~0u, s.sum, distance)};
    s = Merge(s, other);
  }
  return s;
}

// In every thread of warp 0 the result of the block.
__device__ Summary MergeBlock(Summary s) {
  __shared__ Summary warps[kThreads / 32];
  s = MergeWarp(s);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = s;
  __syncthreads();
  Summary mine;
  mine.argmax = INT32_MAX;
  if (threadIdx.x < kThreads / 32) mine = warps[threadIdx.x];
  return MergeWarp(mine);
}

struct Parameters {
  GreedyChoice choice;
  Summary* parts;     // [rows, splits]
  uint32_t* arrived;  // [rows], zero between launches
};

// Grid: (splits, rows).
__global__ void __launch_bounds__(kThreads) GreedyKernel(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  const GreedyChoice& c = p.choice;
  const int64_t row = blockIdx.y;
  const int splits = gridDim.x;
  float* scores = static_cast<float*>(c.logits.data) + row * c.logits.stride;
  const int vocab = static_cast<int>(c.logits.width);
  const int each = (vocab + splits - 1) / splits;
  const int begin = blockIdx.x * each;
  const int end = min(begin + each, vocab);
  if (threadIdx.x < kMaxBans) {
    const int32_t banned = c.bans[row * kMaxBans + threadIdx.x];
    if (banned >= begin && banned < end) scores[banned] = -INFINITY;
  }
  __syncthreads();

  Summary mine;
  mine.argmax = INT32_MAX;
  for (int i = begin + threadIdx.x; i < end; i += kThreads) {
    if (scores[i] > mine.max) {
      mine.max = scores[i];
      mine.argmax = i;
    }
  }
  for (int i = begin + threadIdx.x; i < end; i += kThreads) {
    if (scores[i] > -INFINITY) mine.sum += expf(scores[i] - mine.max);
  }
  mine = MergeBlock(mine);

  __shared__ bool last;
  if (threadIdx.x == 0) {
    Summary* part = p.parts + row * splits + blockIdx.x;
    __stcg(&part->max, mine.max);
    __stcg(&part->argmax, mine.argmax);
    __stcg(&part->sum, mine.sum);
    __threadfence();
    last = atomicAdd(p.arrived + row, 1) == static_cast<uint32_t>(splits - 1);
    if (last) p.arrived[row] = 0;
    __threadfence();
  }
  __syncthreads();
  if (!last || threadIdx.x >= 32) return;
  Summary total;
  total.argmax = INT32_MAX;
  for (int i = threadIdx.x; i < splits; i += 32) {
    const Summary* part = p.parts + row * splits + i;
    total = Merge(total, {__ldcg(&part->max), __ldcg(&part->argmax), __ldcg(&part->sum)});
  }
  total = MergeWarp(total);
  if (threadIdx.x == 0) {
    const bool possible = total.max > -INFINITY;
    const int32_t token = possible ? total.argmax : 0;
    // The chosen score is the largest: its log-probability is -log Σ exp(score - max).
    const float logprob = total.max == INFINITY ? 0.0f : possible ? -logf(total.sum) : -INFINITY;
    c.choices[row] = {token, logprob};
    c.last_tokens[c.slots[row]] = token;
  }
}

}  // namespace

void ResolveTokens(int32_t* token_ids, int64_t count, const int32_t* last_tokens, Device& device) {
  Launch(device, "resolving tokens",
         {dim3(static_cast<unsigned>((count + kThreads - 1) / kThreads)), kThreads}, Resolve,
         token_ids, count, last_tokens);
}

void ChooseGreedy(const GreedyChoice& choice, Device& device) {
  const int64_t splits =
      std::clamp<int64_t>(2 * device.multiprocessors() / std::max<int64_t>(choice.rows, 1), 1, 32);
  Launch(device, "choosing tokens",
         {dim3(static_cast<unsigned>(splits), static_cast<unsigned>(choice.rows)), kThreads},
         GreedyKernel,
         Parameters{choice, static_cast<Summary*>(device.workspace()), device.counters()});
}

}  // namespace transept::kernels::cuda
