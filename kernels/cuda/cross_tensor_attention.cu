#include "kernels/cuda/cross_tensor_attention.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/kv_tiles.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tensor_core.cuh"

// All query tokens of a source and head are the rows of one operand, up to 16 at once, so that its
// keys and values are read from memory once however many there are, and cost few instructions each.
// Every warp streams key tiles of its own through a ring in shared memory, the first of them before
// the kernel in front has ended. How many warps share a source and head depends on how many of
// those there are, and on the length of the source.
namespace transept::kernels::cuda {
namespace {

constexpr int kQueries = 16;  // of a source and head at once
constexpr int kWarps = 4;     // of a block, where there are many sources and heads
constexpr int kUsualBeams = 4;

// What a step says of a source.
struct Source {
  int begin;  // its query tokens
  int end;
  int length;
  BlockTable table;
};

__device__ Source SourceOf(const DecoderInputs& inputs, int index) {
  const int first_row = LoadInput(inputs.source_offsets + index);
  const int end_row = LoadInput(inputs.source_offsets + index + 1);
  const int length = LoadInput(inputs.cross_lengths + index);
  const int64_t stride = inputs.cross_block_table_stride;
  const BlockTable table(inputs.cross_block_tables + index * stride, stride);
  if (inputs.num_tokens == inputs.num_rows) return {first_row, end_row, length, table};
  return {inputs.query_offsets[first_row], inputs.query_offsets[end_row], length, table};
}

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

  // Takes `count` keys in, for so many queries.
  __device__ void Attend(KvTile<T, kHead>& tile, int count, int queries, float scale) {
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
    Normalize(0, scores, count, scale);
    if (queries > 8) Normalize(1, scores, count, scale);  // else their scores are zeros
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
    ForEachQuery(count, [&](int half, int row, float all) {
      float* const part = parts + row * PartSize(head_size);
      ForEachPair(head_size, [&](int n, int column) {
        part[column] = out[n][2 * half];
        part[column + 1] = out[n][2 * half + 1];
      });
      if (threadIdx.x % 4 == 0) {
        part[head_size] = largest[half];
        part[head_size + 1] = all;
      }
    });
  }

  // Stores the result of each of `count` queries, `stride` apart, all of whose keys this warp has
  // taken in: zeros when there was none.
  __device__ void Store(T* to, int64_t stride, int count, int head_size) const {
    ForEachQuery(count, [&](int half, int row, float all) {
      const float factor = all == 0.0f ? 0.0f : 1.0f / all;
      ForEachPair(head_size, [&](int n, int column) {
        *reinterpret_cast<uint32_t*>(to + row * stride + column) =
            PackPair<T>(out[n][2 * half] * factor, out[n][2 * half + 1] * factor);
      });
    });
  }

 private:
  // fn(half, row, all) for each of `count` queries that is this lane's; `all`: its total.
  template <typename Fn>
  __device__ void ForEachQuery(int count, Fn fn) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float all = total[half];
      all += __shfl_xor_sync(~0u, all, 1);
      all += __shfl_xor_sync(~0u, all, 2);
      const int row = threadIdx.x % 32 / 4 + 8 * half;
      if (row < count) fn(half, row, all);
    }
  }
  // fn(n, column) for each of this lane's pairs of columns that lies within the head.
  template <typename Fn>
  __device__ static void ForEachPair(int head_size, Fn fn) {
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n) {
      if (8 * n < head_size) fn(n, 8 * n + static_cast<int>(threadIdx.x) % 4 * 2);
    }
  }

  // Turns the scores of eight queries into weights, relative to their largest score so far.
  __device__ void Normalize(int half, float (&scores)[2][4], int count, float scale) {
    const int column = threadIdx.x % 4 * 2;
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
};

// Waits for the kShare adjacent warps that share keys.
template <int kShare>
__device__ void SyncWarps() {
  if constexpr (kShare == 1) {
    __syncwarp();
  } else if constexpr (kShare < kWarps) {
    const int barrier = 1 + static_cast<int>(threadIdx.x) / (32 * kShare);
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(32 * kShare) : "memory");
  } else {
    __syncthreads();
  }
}

// All query tokens of a source, at least one, and one head: by kShare adjacent warps, and those of
// the other blocks of `split`. `span`: this block's keys.
template <typename T, int kHead, int kShare>
__device__ void Serve(const DecoderAttention<T>& p, const Source& source, int head, KeySpan span,
                      const SplitKeys& split) {
  using Stream = TileStream<T, kHead, kShare>;
  static_assert(Stream::kBytes >= (kHead + 2) * kQueries * sizeof(float));  // room for the parts
  extern __shared__ __align__(16) char shared[];
  const int warp = threadIdx.x / 32;
  KvTile<T, kHead>* const rings = reinterpret_cast<KvTile<T, kHead>*>(shared);
  const int size = p.shape.head_size;
  const int64_t column = static_cast<int64_t>(head) * size;
  for (int token = source.begin; token < source.end; token += kQueries) {
    if (token > source.begin) SyncWarps<kShare>();  // the parts become rings again
    Stream tiles(rings + warp * Stream::kStages, p, source.table, p.sharing.Divide(head), span);
    if (token == source.begin) WaitForPredecessor();
    const int count = min(kQueries, source.end - token);
    WarpQueries<T, kHead> queries;
    queries.Load(p.query + token * p.query_stride + column, p.query_stride, count, size);
    tiles.FetchMore();
    tiles.ForEach([&](auto& tile, int keys) { queries.Attend(tile, keys, count, p.shape.scale); });
    T* const out = p.out + token * p.out_stride + column;
    if constexpr (kShare == 1) {
      queries.Store(out, p.out_stride, count, size);
    } else {
      SyncWarps<kShare>();  // the rings become room for the parts
      const int rank = warp % kShare;
      float* const parts = reinterpret_cast<float*>(rings + (warp - rank) * Stream::kStages);
      queries.Leave(parts + rank * count * PartSize(size), count, size);
      SyncWarps<kShare>();
      for (int q = 0; q < count; ++q) {
        MergeWarps<T, kShare>({parts + q * PartSize(size), count * PartSize(size)}, size, split,
                              static_cast<int64_t>(token + q) * p.shape.num_heads + head,
                              out + q * p.out_stride);
      }
    }
  }
}

// All warps of a block, and perhaps several blocks, share a source and head. Grid: (heads, sources,
// splits).
template <typename T, int kHead, int kShare>
__global__ void __launch_bounds__(32 * kShare) CrossOfFew(const DecoderAttention<T> p) {
  LetSuccessorStart();
  const Source source = SourceOf(p.inputs, blockIdx.y);
  constexpr int kTile = kShare * kTileKeys;
  SplitKeys split = p.split;
  split.used = UsedOf(split, source.length, kTile);
  if (source.begin == source.end || static_cast<int>(blockIdx.z) >= split.used) return;
  const KeySpan span = SpanOf(source.length, blockIdx.z, split.used, kTile);
  Serve<T, kHead, kShare>(p, source, blockIdx.x, span, split);
}

// kWarps heads of a source. Up to `alone` keys, one block serves them all, a warp each; kShare
// warps share a head of a longer source, so that kShare blocks serve the heads. Grid: (heads /
// kWarps rounded up, sources, kShare). In a step, sources without rows come last: their blocks
// begin behind all others, and end at once.
template <typename T, int kHead, int kShare>
__global__ void __launch_bounds__(32 * kWarps, kHead <= 64 ? 4 : 3)
    CrossOfMany(const DecoderAttention<T> p, int alone) {
  LetSuccessorStart();
  const Source source = SourceOf(p.inputs, blockIdx.y);
  if (source.begin == source.end) return;
  const KeySpan all{0, source.length};
  const int first_head = blockIdx.x * kWarps;
  const int warp = threadIdx.x / 32;
  if (kShare == 1 || source.length <= alone) {
    const int head = first_head + warp;
    if (blockIdx.z == 0 && head < p.shape.num_heads) {
      Serve<T, kHead, 1>(p, source, head, all, {});
    }
  } else {
    const int head = first_head + (static_cast<int>(blockIdx.z) * kWarps + warp) / kShare;
    if (head < p.shape.num_heads) Serve<T, kHead, kShare>(p, source, head, all, {});
  }
}

// The rings of so many warps that share keys.
template <typename T, int kHead, int kShare>
constexpr size_t kSharedBytes = kShare* TileStream<T, kHead, kShare>::kBytes;

template <typename T, int kHead, int kShare>
void LaunchFew(const CrossAttentionOp& op, const Step& step, Device& device) {
  // Keys that are worth a block: its warps want to have them all under way at once.
  constexpr int64_t kKeysEach = kShare * kTileKeys * TileStream<T, kHead, kShare>::kStages;
  const int64_t sources = step.decoder->num_sources;
  const SplitKeys split =
      PlanSplits(device, step.num_tokens, sources * op.shape.num_heads, op.shape,
                 step.decoder->cross_block_table_stride * op.cache.block_size, kKeysEach);
  Launch(device, "cross-attention",
         {dim3(op.shape.num_heads, sources, split.splits), 32 * kShare,
          kSharedBytes<T, kHead, kShare>},
         CrossOfFew<T, kHead, kShare>, ParametersOf<T>(op, op.query, step, split));
}

template <typename T, int kHead, int kShare>
void LaunchMany(const CrossAttentionOp& op, const Step& step, Device& device, int64_t alone) {
  const int groups = (op.shape.num_heads + kWarps - 1) / kWarps;
  Launch(device, "cross-attention",
         {dim3(groups, step.decoder->num_sources, kShare), 32 * kWarps,
          kWarps / kShare * kSharedBytes<T, kHead, kShare>},
         CrossOfMany<T, kHead, kShare>, ParametersOf<T>(op, op.query, step, {}),
         static_cast<int>(alone));
}

// The fewer pairs of a source and head there are, the more warps share one, as long as all blocks
// run at once: four on a multiprocessor. A warp takes a source alone if that has no more tiles than
// there are pairs to each multiprocessor: many short sources keep the memory busy, a long one would
// still be under way when all others are done.
template <typename T, int kHead>
void DispatchShare(const CrossAttentionOp& op, const Step& step, Device& device) {
  constexpr int kFew = kHead <= 64 ? 16 : 8;
  const int64_t processors = device.multiprocessors();
  const int64_t most = static_cast<int64_t>(step.decoder->num_sources) * op.shape.num_heads;
  const int64_t alone = kTileKeys * most / processors;
  // A recorded step has as many sources as rows, most of them empty if the rows are beams.
  const int64_t rows_of_source = step.decoder->ancestry ? kUsualBeams : 1;
  const int64_t pairs = (most + rows_of_source - 1) / rows_of_source;
  if (pairs <= processors && kSharedBytes<T, kHead, kFew> <= device.max_shared_bytes()) {
    LaunchFew<T, kHead, kFew>(op, step, device);
  } else if (pairs <= 4 * processors) {
    LaunchMany<T, kHead, 4>(op, step, device, alone);
  } else if (pairs <= 8 * processors) {
    LaunchMany<T, kHead, 2>(op, step, device, alone);
  } else {
    LaunchMany<T, kHead, 1>(op, step, device, alone);
  }
}

template <typename T>
void DispatchHead(const CrossAttentionOp& op, const Step& step, Device& device) {
  if (op.shape.head_size <= 32) return DispatchShare<T, 32>(op, step, device);
  if (op.shape.head_size <= 64) return DispatchShare<T, 64>(op, step, device);
  return DispatchShare<T, 128>(op, step, device);
}

}  // namespace

void RunTensor(const CrossAttentionOp& op, const Step& step, Resources& resources) {
  if (op.cache.dtype == DataType::kBFloat16)
    return DispatchHead<BFloat16>(op, step, resources.device);
  return DispatchHead<Float16>(op, step, resources.device);
}

}  // namespace transept::kernels::cuda
