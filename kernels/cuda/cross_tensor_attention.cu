#include "kernels/cuda/cross_tensor_attention.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/decoder_attention.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tensor_core.cuh"

// All query tokens of a source and head are the rows of one operand, up to 16 at once, so that its
// keys and values are read from memory once however many there are, and cost few instructions each.
// Every warp streams key tiles of its own through a ring in shared memory, the first of them before
// the kernel in front has ended.
namespace transept::kernels::cuda {
namespace {

constexpr int kQueries = 16;  // of a block at once
constexpr int kKeys = 16;     // of a warp at once

// Some keys and their values in shared memory. The padding spreads a column over all banks.
template <typename T, int kHead>
struct KvTile {
  static constexpr int kStride = kHead + 8;
  T keys[kKeys * kStride];
  T values[kKeys * kStride];
};

// A warp's tiles on their way from the pages, every kWarps-th of its block's.
template <typename T, int kHead, int kWarps>
class TileStream {
 public:
  // Tiles that are under way or at hand.
  static constexpr int kStages = kWarps > 4 || kHead > 64 ? 2 : 3;

  __device__ TileStream(KvTile<T, kHead>* ring, const DecoderAttention<T>& p, const int32_t* table,
                        int kv_head, KeySpan span)
      : ring_(ring),
        pages_(p.pages),
        table_(table),
        kv_head_(kv_head),
        first_(span.begin + static_cast<int>(threadIdx.x) / 32 * kKeys),
        end_(span.end) {
#pragma unroll
    for (int stage = 0; stage < kStages; ++stage) Fetch(stage, first_ + stage * kStride);
  }

  // Calls fn(tile, count) for each tile of this warp, which holds `count` keys.
  template <typename Fn>
  __device__ void ForEach(Fn fn) {
    int stage = 0;
    for (int begin = first_; begin < end_; begin += kStride) {
      WaitForCopies<kStages - 1>();
      __syncwarp();
      fn(ring_[stage], min(kKeys, end_ - begin));
      __syncwarp();
      Fetch(stage, begin + kStages * kStride);
      stage = stage + 1 == kStages ? 0 : stage + 1;
    }
  }

 private:
  static constexpr int kStride = kWarps * kKeys;

  // Zeros stand for keys beyond the end and columns beyond the head.
  __device__ void Fetch(int stage, int begin) {
    if (begin < end_) {
      const bool one_block = pages_.block_size % kKeys == 0;
      const int64_t base = At(begin);
      constexpr int kPacks = kHead / 8;  // of a key
#pragma unroll
      for (int i = 0; i < kKeys * kPacks / 32; ++i) {
        const int pack = i * 32 + threadIdx.x % 32;
        const int row = pack / kPacks;
        const int column = pack % kPacks * 8;
        const bool valid = begin + row < end_ && column < pages_.head_size;
        const int64_t at = one_block || !valid ? base + row * pages_.head_size : At(begin + row);
        const int64_t from = valid ? at + column : base;
        const int to = row * KvTile<T, kHead>::kStride + column;
        CopyAsync(ring_[stage].keys + to, pages_.keys + from, valid);
        CopyAsync(ring_[stage].values + to, pages_.values + from, valid);
      }
    }
    CommitCopies();  // an empty group too, so that WaitForCopies can count
  }
  __device__ int64_t At(int key) const {
    return pages_.Offset(table_[key / pages_.block_size], key % pages_.block_size, kv_head_);
  }

  KvTile<T, kHead>* ring_;
  Pages<T> pages_;
  const int32_t* table_;
  int kv_head_;
  int first_;
  int end_;
};

// A warp's results for up to 16 queries: rows g and g + 8 of every fragment belong to lane (g, t).
template <typename T, int kHead>
struct WarpQueries {
  uint32_t query[kHead / 16][4] = {};
  float out[kHead / 8][4] = {};
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {};  // of this lane's keys

  // Loads `count` queries of head_size columns, `stride` apart.
  __device__ void Load(const T* from, int64_t stride, int count, int head_size) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < kHead / 16; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + i % 2 * 8;
        const int column = 16 * k + i / 2 * 8 + lane % 4 * 2;
        if (row < count && column < head_size) {
          query[k][i] = *reinterpret_cast<const uint32_t*>(from + row * stride + column);
        }
      }
    }
  }

  // Takes `count` keys in.
  __device__ void Attend(KvTile<T, kHead>& tile, int count, float scale) {
    constexpr int kStride = KvTile<T, kHead>::kStride;
    const int lane = threadIdx.x % 32;
    float scores[2][4] = {};  // of keys 0 to 7 and 8 to 15
#pragma unroll
    for (int k = 0; k < kHead / 16; ++k) {
      uint32_t b[4];
      const int row = lane / 16 * 8 + lane % 8;
      LoadMatrices(b, tile.keys + row * kStride + 16 * k + lane / 8 % 2 * 8);
      Multiply<T>(scores[0], query[k], b[0], b[1]);
      Multiply<T>(scores[1], query[k], b[2], b[3]);
    }
    Normalize(scores, count, scale);
    const uint32_t weights[4] = {
        PackPair<T>(scores[0][0], scores[0][1]), PackPair<T>(scores[0][2], scores[0][3]),
        PackPair<T>(scores[1][0], scores[1][1]), PackPair<T>(scores[1][2], scores[1][3])};
#pragma unroll
    for (int pair = 0; pair < kHead / 16; ++pair) {
      uint32_t b[4];
      LoadMatricesTransposed(b, tile.values + lane % 16 * kStride + 16 * pair + lane / 16 * 8);
      Multiply<T>(out[2 * pair], weights, b[0], b[1]);
      Multiply<T>(out[2 * pair + 1], weights, b[2], b[3]);
    }
  }

  // Leaves the part of each of `count` queries, PartSize(head_size) floats.
  __device__ void Leave(float* parts, int count, int head_size) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float all = total[half];
      all += __shfl_xor_sync(~0u, all, 1);
      all += __shfl_xor_sync(~0u, all, 2);
      const int row = lane / 4 + 8 * half;
      if (row >= count) continue;
      float* const part = parts + row * PartSize(head_size);
#pragma unroll
      for (int n = 0; n < kHead / 8; ++n) {
        if (8 * n >= head_size) continue;
        part[8 * n + lane % 4 * 2] = out[n][2 * half];
        part[8 * n + lane % 4 * 2 + 1] = out[n][2 * half + 1];
      }
      if (lane % 4 == 0) {
        part[head_size] = largest[half];
        part[head_size + 1] = all;
      }
    }
  }

 private:
  // Turns scores into weights, relative to the largest score so far.
  __device__ void Normalize(float (&scores)[2][4], int count, float scale) {
    const int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float next = largest[half];
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = scores[n][2 * half + i];
          score = 8 * n + column + i < count ? score * scale : -INFINITY;
          next = fmaxf(next, score);
        }
      }
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 1));
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 2));
      if (__any_sync(~0u, next > largest[half])) {  // seldom, after the first tiles
        const float factor = Exp<T>(largest[half] - next);
        largest[half] = next;
        total[half] *= factor;
#pragma unroll
        for (int n = 0; n < kHead / 8; ++n) {
          out[n][2 * half] *= factor;
          out[n][2 * half + 1] *= factor;
        }
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = Exp<T>(scores[n][i] - next);
          total[half] += scores[n][i];
        }
      }
    }
  }
};

// Grid: (sources, heads, splits).
template <typename T, int kHead, int kWarps>
__global__ void __launch_bounds__(32 * kWarps, kWarps == 4 && kHead <= 64 ? 4 : 1)
    CrossTensorAttention(const DecoderAttention<T> p) {
  using Stream = TileStream<T, kHead, kWarps>;
  extern __shared__ __align__(16) char shared[];
  LetSuccessorStart();
  const int source = blockIdx.x;
  const int head = blockIdx.y;
  const int warp = threadIdx.x / 32;
  const int size = p.shape.head_size;
  const int kv_head = head / (p.shape.num_heads / p.shape.num_kv_heads);
  const int begin = p.inputs.query_offsets[p.inputs.source_offsets[source]];
  const int end = p.inputs.query_offsets[p.inputs.source_offsets[source + 1]];
  const int32_t* table = p.inputs.cross_block_tables + source * p.inputs.cross_block_table_stride;
  const KeySpan span =
      SpanOf(p.inputs.cross_lengths[source], blockIdx.z, p.split.splits, kWarps * kKeys);
  const int64_t column = static_cast<int64_t>(head) * size;

  for (int token = begin; token < end; token += kQueries) {
    Stream tiles(reinterpret_cast<KvTile<T, kHead>*>(shared) + warp * Stream::kStages, p, table,
                 kv_head, span);
    if (token == begin) WaitForPredecessor();
    const int count = min(kQueries, end - token);
    WarpQueries<T, kHead> queries;
    queries.Load(p.query + token * p.query_stride + column, p.query_stride, count, size);
    tiles.ForEach([&](auto& tile, int keys) { queries.Attend(tile, keys, p.shape.scale); });
    __syncthreads();  // the rings become room for the parts
    float* const parts = reinterpret_cast<float*>(shared);
    queries.Leave(parts + warp * count * PartSize(size), count, size);
    __syncthreads();
    for (int q = 0; q < count; ++q) {
      MergeWarps<T, kWarps>({parts + q * PartSize(size), count * PartSize(size)}, size, p.split,
                            static_cast<int64_t>(token + q) * p.shape.num_heads + head,
                            p.out + (token + q) * p.out_stride + column);
    }
    __syncthreads();  // and rings again
  }
}

// The rings of a block, and afterwards its parts.
template <typename T, int kHead, int kWarps>
constexpr size_t kSharedBytes = kWarps* std::max<size_t>(TileStream<T, kHead, kWarps>::kStages *
                                                             sizeof(KvTile<T, kHead>),
                                                         (kHead + 2) * kQueries * sizeof(float));

template <typename T, int kHead, int kWarps>
void LaunchCross(const CrossAttentionOp& op, const Step& step, Device& device) {
  constexpr int kStages = TileStream<T, kHead, kWarps>::kStages;
  // Keys that are worth a block: many warps want to have them all under way at once.
  constexpr int64_t kKeysEach = kWarps * kKeys * (kWarps > 4 ? kStages : 1);
  const int64_t sources = step.decoder->num_sources;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, sources * op.shape.num_heads, op.shape,
                 step.decoder->cross_block_table_stride * op.cache.block_size, kKeysEach);
  Launch(device, "cross-attention",
         {dim3(sources, op.shape.num_heads, split.splits), 32 * kWarps,
          kSharedBytes<T, kHead, kWarps>},
         CrossTensorAttention<T, kHead, kWarps>, ParametersOf<T>(op, op.query, step, split));
}

// Many warps share a source and head where there are few of those and a block may have the memory:
// most of the keys are at hand before the query is.
template <typename T, int kHead>
void DispatchWarps(const CrossAttentionOp& op, const Step& step, Device& device) {
  constexpr int kMany = kHead <= 64 ? 16 : 8;
  const int64_t pairs = static_cast<int64_t>(step.decoder->num_sources) * op.shape.num_heads;
  if (pairs <= device.multiprocessors() &&
      kSharedBytes<T, kHead, kMany> <= device.max_shared_bytes()) {
    LaunchCross<T, kHead, kMany>(op, step, device);
  } else {
    LaunchCross<T, kHead, 4>(op, step, device);
  }
}

template <typename T>
void DispatchHead(const CrossAttentionOp& op, const Step& step, Device& device) {
  if (op.shape.head_size <= 32) return DispatchWarps<T, 32>(op, step, device);
  if (op.shape.head_size <= 64) return DispatchWarps<T, 64>(op, step, device);
  return DispatchWarps<T, 128>(op, step, device);
}

}  // namespace

void RunTensor(const CrossAttentionOp& op, const Step& step, Resources& resources) {
  if (op.cache.dtype == DataType::kBFloat16)
    return DispatchHead<BFloat16>(op, step, resources.device);
  return DispatchHead<Float16>(op, step, resources.device);
}

}  // namespace transept::kernels::cuda
