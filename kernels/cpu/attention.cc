// The three attention operations. Each finds out which keys a run of query tokens shares; one
// function gathers the queries and attends.
#include <algorithm>

#include "kernels/cpu/operations.h"
#include "kernels/cpu/paged_kv.h"
#include "kernels/cpu/simd/attend.h"
#include "kernels/cpu/simd/rows.h"

namespace transept::kernels::cpu {
namespace {

// Tiles of an encoder's tokens that one thread attends from before it goes on to the next head.
constexpr int64_t kTileRun = 4;

// Consecutive query tokens of one source or decoder row, and the K/V head whose keys they share.
struct QueryTokens {
  int64_t first_token = 0;
  int64_t num_tokens = 0;
  int64_t first_position = 0;  // of first_token; the others follow
  int64_t kv_head = 0;
  bool causal = false;  // a token at position p sees keys 0..p
};

// What stays the same throughout an operation.
struct Shared {
  const AttentionShape& shape;
  const RelativeBias& bias;
  const int32_t* buckets;  // BucketTables::Get, null without bias
  const Activations& queries;
  const Activations& out;
};

// line[i] = the bias of `head` at distance first + i.
void FillBias(const Shared& shared, int64_t head, int64_t first, int64_t count, float* line) {
  const float* table = shared.bias.table + head;
  for (int64_t i = 0; i < count; ++i) {
    line[i] = table[static_cast<int64_t>(shared.buckets[first + i]) * shared.shape.num_heads];
  }
}

// Attends from at most kMaxQueries (token, head) pairs: those of tokens.kv_head's group, numbered
// token by token, from `begin` to `end`.
void AttendPairs(const Shared& shared, const QueryTokens& tokens, const KeyView& view,
                 int64_t begin, int64_t end, WorkerScratch& scratch) {
  const AttentionShape& shape = shared.shape;
  const int64_t group = shape.num_heads / shape.num_kv_heads;
  const int64_t head_size = shape.head_size;
  const int64_t last = tokens.first_position + (end - 1) / group;
  const int64_t first = tokens.first_position + begin / group;
  const int64_t line_size = view.num_keys + (last - first);
  const int64_t line_stride = line_size + kScorePadding;

  Attention attention;
  attention.view = view;
  attention.head_size = head_size;
  attention.num_queries = end - begin;
  attention.scores_stride = view.num_keys + kScorePadding;
  attention.scores = scratch.scores.Get(attention.num_queries * attention.scores_stride);
  float* queries = scratch.queries.Get(attention.num_queries * head_size);
  attention.queries = queries;
  float* lines = nullptr;
  if (shared.bias.table != nullptr) {
    lines = scratch.bias.Get(group * line_stride);
    for (int64_t g = 0; g < group; ++g) {
      FillBias(shared, tokens.kv_head * group + g, -last, line_size, lines + g * line_stride);
    }
  }
  Query query[kMaxQueries];
  attention.query = query;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t token = tokens.first_token + i / group;
    const int64_t position = tokens.first_position + i / group;
    const int64_t column = (tokens.kv_head * group + i % group) * head_size;
    const float* from = RowOf(shared.queries, token) + column;
    Read({from, DataType::kFloat32, shape.scale, false, queries, head_size});
    queries += head_size;
    Query& q = query[i - begin];
    q.out = RowOf(shared.out, token) + column;
    q.visible = tokens.causal ? position + 1 : view.num_keys;
    if (lines != nullptr) q.bias = lines + i % group * line_stride + (last - position);
  }
  Attend(attention);
}

void AttendTokens(const Shared& shared, const QueryTokens& tokens, const KeyView& view,
                  WorkerScratch& scratch) {
  const int64_t pairs = tokens.num_tokens * (shared.shape.num_heads / shared.shape.num_kv_heads);
  for (int64_t begin = 0; begin < pairs; begin += kMaxQueries) {
    AttendPairs(shared, tokens, view, begin, std::min(begin + kMaxQueries, pairs), scratch);
  }
}

// The keys and values of one head of a cache.
KeyView ViewOf(const PagedKv& cache, int64_t head, const std::vector<KeyRange>& ranges,
               int64_t num_keys) {
  const int64_t bytes = head * HeadStride(cache) * SizeOf(cache.dtype);
  KeyView view;
  view.keys = static_cast<const char*>(cache.keys) + bytes;
  view.values = static_cast<const char*>(cache.values) + bytes;
  view.dtype = cache.dtype;
  view.key_stride = cache.head_size;
  view.ranges = ranges.data();
  view.num_ranges = static_cast<int64_t>(ranges.size());
  view.num_keys = num_keys;
  return view;
}

// The ranges of positions [0, count) given the slot of each: as long as slots follow one another
// within a block.
template <typename SlotOf>
void FindRanges(const PagedKv& cache, int64_t count, const SlotOf& slot_of,
                std::vector<KeyRange>& ranges) {
  ranges.clear();
  int64_t previous = -1;
  for (int64_t position = 0; position < count; ++position) {
    const int64_t slot = slot_of(position);
    if (position > 0 && slot == previous + 1 && slot % cache.block_size != 0) {
      ++ranges.back().count;
    } else {
      ranges.push_back({SlotOffset(cache, slot, 0), 1});
    }
    previous = slot;
  }
}

}  // namespace

void Run(const EncoderAttentionOp& op, const Step& step, Resources& resources) {
  const AttentionShape& shape = op.shape;
  const int64_t keys = static_cast<int64_t>(shape.num_heads) * shape.head_size;
  const int64_t values = keys + static_cast<int64_t>(shape.num_kv_heads) * shape.head_size;
  int64_t longest = 0;
  for (int64_t source = 0; source < step.num_rows; ++source) {
    longest = std::max<int64_t>(longest, step.offsets[source + 1] - step.offsets[source]);
  }
  const Shared shared{op.shape, op.bias,
                      op.bias.table ? resources.buckets.Get(op.bias, longest) : nullptr, op.qkv,
                      op.out};
  // A tile of tokens may hold several sources, or a part of one.
  const int64_t tile = std::max<int64_t>(1, kMaxQueries * shape.num_kv_heads / shape.num_heads);
  const int64_t tiles = (step.num_tokens + tile - 1) / tile;
  const auto attend = [&](int64_t head, int64_t begin, int64_t end, WorkerScratch& scratch) {
    const int32_t* offset = std::upper_bound(step.offsets, step.offsets + step.num_rows, begin) - 1;
    while (begin < end) {
      while (offset[1] <= begin) ++offset;
      const KeyRange range{0, offset[1] - offset[0]};
      KeyView view;
      view.keys = RowOf(op.qkv, offset[0]) + keys + head * shape.head_size;
      view.values = RowOf(op.qkv, offset[0]) + values + head * shape.head_size;
      view.key_stride = op.qkv.stride;
      view.ranges = &range;
      view.num_ranges = 1;
      view.num_keys = range.count;
      QueryTokens tokens;
      tokens.first_token = begin;
      tokens.num_tokens = std::min<int64_t>(end, offset[1]) - begin;
      tokens.first_position = begin - offset[0];
      tokens.kv_head = head;
      AttendTokens(shared, tokens, view, scratch);
      begin += tokens.num_tokens;
    }
  };
  // A run of tiles shares keys, and then the next head's lie next to them in memory.
  const int64_t runs = (tiles + kTileRun - 1) / kTileRun;
  resources.pool.ParallelFor(
      runs * shape.num_kv_heads, 1, [&](int64_t begin, int64_t end, int worker) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t first = i / shape.num_kv_heads * kTileRun;
          for (int64_t t = first; t < std::min(first + kTileRun, tiles); ++t) {
            attend(i % shape.num_kv_heads, t * tile, std::min((t + 1) * tile, step.num_tokens),
                   resources.scratch[worker]);
          }
        }
      });
}

void Run(const SelfAttentionOp& op, const Step& step, Resources& resources) {
  const AttentionShape& shape = op.shape;
  const DecoderInputs& inputs = *step.decoder;
  const int64_t keys = static_cast<int64_t>(shape.num_heads) * shape.head_size;
  const int64_t values = keys + static_cast<int64_t>(shape.num_kv_heads) * shape.head_size;
  resources.pool.ParallelFor(step.num_tokens, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float* in = RowOf(op.qkv, t);
      WriteSlot(op.cache, inputs.self_slots[t], in + keys, in + values);
    }
  });
  int64_t longest = 0;
  for (int64_t t = 0; t < step.num_tokens; ++t) {
    longest = std::max<int64_t>(longest, step.positions[t]);
  }
  const Shared shared{op.shape, op.bias,
                      op.bias.table ? resources.buckets.Get(op.bias, longest) : nullptr, op.qkv,
                      op.out};
  const auto attend = [&](int64_t begin, int64_t end, int worker) {
    WorkerScratch& scratch = resources.scratch[worker];
    int64_t ranges_row = -1;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / shape.num_kv_heads;
      QueryTokens tokens;
      tokens.first_token = step.offsets[row];
      tokens.num_tokens = step.offsets[row + 1] - step.offsets[row];
      if (tokens.num_tokens == 0) continue;
      tokens.first_position = step.positions[tokens.first_token];
      tokens.kv_head = i % shape.num_kv_heads;
      tokens.causal = true;
      const int64_t num_keys = tokens.first_position + tokens.num_tokens;
      if (row != ranges_row) {
        FindRanges(
            op.cache, num_keys,
            [&](int64_t position) { return SelfSlot(inputs, op.cache, row, position); },
            scratch.ranges);
        ranges_row = row;
      }
      AttendTokens(shared, tokens, ViewOf(op.cache, tokens.kv_head, scratch.ranges, num_keys),
                   scratch);
    }
  };
  resources.pool.ParallelFor(step.num_rows * shape.num_kv_heads, 1, attend);
}

void Run(const CrossAttentionOp& op, const Step& step, Resources& resources) {
  const AttentionShape& shape = op.shape;
  const DecoderInputs& inputs = *step.decoder;
  const RelativeBias no_bias;
  const Shared shared{op.shape, no_bias, nullptr, op.query, op.out};
  const auto attend = [&](int64_t begin, int64_t end, int worker) {
    WorkerScratch& scratch = resources.scratch[worker];
    int64_t ranges_source = -1;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t source = i / shape.num_kv_heads;
      const int64_t num_keys = inputs.cross_lengths[source];
      QueryTokens tokens;
      tokens.first_token = step.offsets[inputs.source_offsets[source]];
      tokens.num_tokens = step.offsets[inputs.source_offsets[source + 1]] - tokens.first_token;
      tokens.kv_head = i % shape.num_kv_heads;
      if (source != ranges_source) {
        FindRanges(
            op.cache, num_keys,
            [&](int64_t position) { return CrossSlot(inputs, op.cache, source, position); },
            scratch.ranges);
        ranges_source = source;
      }
      AttendTokens(shared, tokens, ViewOf(op.cache, tokens.kv_head, scratch.ranges, num_keys),
                   scratch);
    }
  };
  resources.pool.ParallelFor(static_cast<int64_t>(inputs.num_sources) * shape.num_kv_heads, 1,
                             attend);
}

}  // namespace transept::kernels::cpu
