#include "kernels/cuda/select.h"

#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/process_logits.cuh"
#include "kernels/cuda/sample.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kFeedThreads = 256;

// Grid: rows by warps.
__global__ void __launch_bounds__(kFeedThreads) Feed(const TokenFeed feed) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t row = (int64_t{blockIdx.x} * kFeedThreads + threadIdx.x) / 32;
  if (row >= feed.num_rows) return;
  int32_t* history = feed.slots.history + feed.rows[row].slot * feed.slots.history_stride;
  const int32_t end = feed.query_offsets[row + 1];
  for (int32_t i = feed.query_offsets[row] + threadIdx.x % 32; i < end; i += 32) {
    const int32_t token = feed.token_ids[i];
    if (token < 0) {
      feed.token_ids[i] = history[feed.positions[i]];
    } else {
      history[feed.positions[i]] = token;
    }
  }
}

// Part of a row's scores in brief.
struct Summary {
  float max = -INFINITY;
  int32_t argmax = INT32_MAX;  // the lowest id with that score; none is behind all others
  float sum = 0.0f;            // of exp(score - max)

  __device__ float LogProb(float score) const {
    if (max == INFINITY && score == max) return 0.0f;
    if (isinf(max) || isnan(score)) return -INFINITY;
    return score - max - logf(sum);
  }
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
  __shared__ Summary warps[kSelectWarps];
  s = MergeWarp(s);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = s;
  __syncthreads();
  return MergeWarp(threadIdx.x < kSelectWarps ? warps[threadIdx.x] : Summary{});
}

__device__ Summary Summarize(const RowPart& part) {
  Summary mine;
  for (int i = part.begin + threadIdx.x; i < part.end; i += kSelectThreads) {
    if (part.scores[i] > mine.max) {
      mine.max = part.scores[i];
      mine.argmax = i;
    }
  }
  for (int i = part.begin + threadIdx.x; i < part.end; i += kSelectThreads) {
    if (part.scores[i] > -INFINITY) mine.sum += expf(part.scores[i] - mine.max);
  }
  return MergeBlock(mine);
}

struct Parameters {
  TokenChoice choice;
  Summary* parts;     // [rows, splits]
  uint32_t* arrived;  // [rows], zero between launches
};

// Leaves a part's summary to the block that is the last of its row to do so, and returns whether
// that is this one.
__device__ bool ArrivesLast(const Parameters& p, const Summary& mine) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    const int64_t row = blockIdx.y;
    Summary* part = p.parts + row * gridDim.x + blockIdx.x;
    __stcg(&part->max, mine.max);
    __stcg(&part->argmax, mine.argmax);
    __stcg(&part->sum, mine.sum);
    __threadfence();
    last = atomicAdd(p.arrived + row, 1) == gridDim.x - 1;
    if (last) p.arrived[row] = 0;
    __threadfence();
  }
  __syncthreads();
  return last;
}

// In every thread.
__device__ Summary MergeParts(const Parameters& p) {
  Summary total;
  const int splits = static_cast<int>(gridDim.x);
  for (int i = threadIdx.x % 32; i < splits; i += 32) {
    const Summary* part = p.parts + int64_t{blockIdx.y} * splits + i;
    total = Merge(total, {__ldcg(&part->max), __ldcg(&part->argmax), __ldcg(&part->sum)});
  }
  return MergeWarp(total);
}

__device__ void ReportTop(const float* scores, int vocab, int count, const Summary& total,
                          SelectScratch& scratch, ScoredToken* top) {
  const uint32_t bound = BoundOfLargest(scores, vocab, count, scratch);
  const Tokens tokens = Gather(scores, vocab, bound, scratch);
  unsigned long long best = ~0ull;
  for (int i = 0; i < count && best != 0; ++i) {
    best = NextBest(tokens, best, scratch);
    if (threadIdx.x > 0) continue;
    top[i].token = best == 0 ? -1 : static_cast<int32_t>(~static_cast<uint32_t>(best));
    top[i].logprob = total.LogProb(ScoreOf(static_cast<uint32_t>(best >> 32)));
  }
}

// By the row's last block, once its scores are processed: a whole row of them.
__device__ void Finish(const TokenChoice& c, const Summary& total, SelectScratch& scratch) {
  const int64_t row = blockIdx.y;
  const RowChoice& choice = c.rows[row];
  const float* scores = static_cast<const float*>(c.logits.data) + row * c.logits.stride;
  const int vocab = static_cast<int>(c.logits.width);
  if (choice.top_tokens > 0) {
    ReportTop(scores, vocab, choice.top_tokens, total, scratch, c.top + row * kMaxTopTokens);
  }
  int32_t token = total.max > -INFINITY ? total.argmax : 0;
  float score = total.max;
  if (choice.sample && isfinite(total.max)) {
    token = SampleToken(choice, scores, vocab, total.max, scratch);
    score = __ldcg(scores + token);
  }
  if (threadIdx.x > 0) return;
  c.chosen[row] = {token, total.LogProb(score)};
  if (choice.length < c.slots.history_stride) {
    c.slots.history[choice.slot * c.slots.history_stride + choice.length] = token;
  }
}

// Grid: (splits, rows). Each block processes and sums up a part of a row; the last one to end
// chooses. A plain greedy row costs that one pass.
__global__ void __launch_bounds__(kSelectThreads, 2) Choose(const Parameters p) {
  LetSuccessorStart();
  WaitForPredecessor();
  // The parts' processing and the row's selection take turns in this memory.
  __shared__ union {
    uint32_t seen[kMaxPartWords];
    SelectScratch selection;
  } shared;
  const TokenChoice& c = p.choice;
  const int vocab = static_cast<int>(c.logits.width);
  const int each = (vocab + gridDim.x - 1) / gridDim.x;
  RowPart part;
  part.scores = static_cast<float*>(c.logits.data) + blockIdx.y * c.logits.stride;
  part.begin = min(static_cast<int>(blockIdx.x) * each, vocab);
  part.end = min(part.begin + each, vocab);
  ProcessLogits(part, c.slots, c.rows[blockIdx.y], shared.seen);
  if (ArrivesLast(p, Summarize(part))) Finish(c, MergeParts(p), shared.selection);
}

}  // namespace

void FeedTokens(const TokenFeed& feed, Device& device) {
  constexpr int kRows = kFeedThreads / 32;
  Launch(device, "feeding tokens",
         {dim3(static_cast<unsigned>((feed.num_rows + kRows - 1) / kRows)), kFeedThreads}, Feed,
         feed);
}

void ChooseTokens(const TokenChoice& choice, Device& device) {
  const int64_t rows = std::max<int64_t>(choice.num_rows, 1);
  const int64_t fewest = (choice.logits.width + kMaxPart - 1) / kMaxPart;
  const int64_t splits = std::clamp<int64_t>(2 * device.multiprocessors() / rows, fewest,
                                             std::max<int64_t>(fewest, 32));
  Launch(
      device, "choosing tokens",
      {dim3(static_cast<unsigned>(splits), static_cast<unsigned>(choice.num_rows)), kSelectThreads},
      Choose, Parameters{choice, static_cast<Summary*>(device.workspace()), device.counters()});
}

}  // namespace transept::kernels::cuda
