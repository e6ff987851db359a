// Attention of the persistent kernel: a block serves a head, or some of a head's keys. From the
// last block on, since those have the fewest strips.
#pragma once

#include "kernels/cuda/bias.cuh"
#include "kernels/cuda/decoder_attention.cuh"
#include "kernels/cuda/persistent_head.cuh"
#include "kernels/cuda/persistent_parts.cuh"

namespace transept::kernels::cuda {

// Waits for the four elements from `column` on of what the task in front published.
__device__ inline uint2 AwaitElements(const Task& task, int column, PersistentBlock& block) {
  const Word word = Await(block.words + task.in + column / 4, block.epoch - 1);
  return {word.low, word.high};
}

// Has the keys and values that this block will read in an attention task brought to the
// second-level cache.
__device__ inline void PrefetchKeys(const Task& task) {
  const bool self = task.kind == TaskKind::kSelfAttention;
  if (!self && task.kind != TaskKind::kCrossAttention) return;
  const AttentionTask& op = task.attention;
  const Pages<BFloat16> pages(op.keys, op.values, op.block_size, op.num_kv_heads, op.head_size);
  const int unit = gridDim.x - 1 - blockIdx.x;
  if (unit >= op.num_heads * op.splits) return;
  const int kv_head = unit / op.splits * op.num_kv_heads / op.num_heads;
  const KeySpan span = SpanOf(self ? Shared().position : Shared().cross_length, unit % op.splits,
                              op.splits, PersistentHead::Tile::kKeys);
  const int* const table = self ? Shared().pages : Shared().cross_pages;
  for (int j = span.begin + threadIdx.x; j < span.end; j += kPersistentThreads) {
    const int64_t at = pages.Offset(table[j / op.block_size], j % op.block_size, kv_head);
    asm volatile("prefetch.global.L2 [%0];" ::"l"(pages.keys + at));
    asm volatile("prefetch.global.L2 [%0];" ::"l"(pages.values + at));
  }
}

__device__ inline void RunSelfAttention(int index, PersistentBlock block) {
  const Task& task = Shared().tasks[index];
  const AttentionTask& op = task.attention;
  const Pages<BFloat16> pages(op.keys, op.values, op.block_size, op.num_kv_heads, op.head_size);
  const int size = op.head_size;
  const int sharing = op.num_heads / op.num_kv_heads;
  const int thread = static_cast<int>(threadIdx.x);
  const int position = Shared().position;
#pragma unroll 1
  for (int head = gridDim.x - 1 - blockIdx.x; head < op.num_heads; head += gridDim.x) {
    const int kv_head = head / sharing;
    const auto in_pages = [&](int j) -> KeyValue<BFloat16> {
      const int page = Shared().pages[j / pages.block_size];
      const int64_t at = pages.Offset(page, j % pages.block_size, kv_head);
      return {pages.keys + at, pages.values + at};
    };
    const HeadBias bias({op.bias, op.reach}, head);
    if (thread <= position) Shared().bias[thread] = bias(thread - position);
    const auto bias_of = [&](int j) {
      return j < kPersistentThreads ? Shared().bias[j] : bias(j - position);
    };
    PersistentHead attention(op, {0, position}, in_pages);

    BFloat16(&qkv)[3][kMaxHeadSize] = Shared().qkv;
    const int words = size / 4;
    if (thread < 3 * words) {
      const int which = thread / words;  // query, key, value
      const int within = thread % words * 4;
      const int first = which == 0 ? head : op.num_heads + (which - 1) * op.num_kv_heads + kv_head;
      const uint2 elements = AwaitElements(task, first * size + within, block);
      *reinterpret_cast<uint2*>(&qkv[which][within]) = elements;
      if (which > 0 && head % sharing == 0) {
        const int64_t slot = Shared().slot;
        const int64_t at =
            pages.Offset(slot / pages.block_size, slot % pages.block_size, kv_head) + within;
        *reinterpret_cast<uint2*>((which == 1 ? pages.keys : pages.values) + at) = elements;
      }
    }
    SyncThreads();
    attention.Attend(qkv[0], in_pages, bias_of);
    const int own = min(attention.warps(), kPersistentWarps - 1);  // takes the token's own key
    if (PersistentHead::Warp() == own) attention.AttendTo(position, {qkv[1], qkv[2]}, bias_of);
    if (PersistentHead::Warp() <= own) {
      attention.Leave(Shared().parts[PersistentHead::Warp()]);
    }
    SyncThreads();
    PublishHead(task, head, own + 1, block);
    SyncThreads();
  }
}

__device__ inline void RunCrossAttention(int index, PersistentBlock block) {
  const Task& task = Shared().tasks[index];
  const AttentionTask& op = task.attention;
  const Pages<BFloat16> pages(op.keys, op.values, op.block_size, op.num_kv_heads, op.head_size);
  const int size = op.head_size;
  const int thread = static_cast<int>(threadIdx.x);
  const int length = Shared().cross_length;
#pragma unroll 1
  for (int unit = gridDim.x - 1 - blockIdx.x; unit < op.num_heads * op.splits; unit += gridDim.x) {
    const int head = unit / op.splits;
    const int split = unit % op.splits;
    const int kv_head = head * op.num_kv_heads / op.num_heads;
    const auto locate = [&](int j) -> KeyValue<BFloat16> {
      const int page = Shared().cross_pages[j / pages.block_size];
      const int64_t at = pages.Offset(page, j % pages.block_size, kv_head);
      return {pages.keys + at, pages.values + at};
    };
    PersistentHead attention(op, SpanOf(length, split, op.splits, PersistentHead::Tile::kKeys),
                             locate);
    if (thread < size / 4) {
      *reinterpret_cast<uint2*>(&Shared().qkv[0][4 * thread]) =
          AwaitElements(task, head * size + 4 * thread, block);
    }
    SyncThreads();
    const int warps = attention.warps();
    attention.Attend(Shared().qkv[0], locate, [](int) { return 0.0f; });
    if (PersistentHead::Warp() < warps) {
      attention.Leave(Shared().parts[PersistentHead::Warp()]);
    }
    if (split == 0) AwaitPartials(op, head, warps, block);
    SyncThreads();
    if (split == 0) {
      PublishHead(task, head, warps + op.splits - 1, block);
    } else {
      PublishPartial(task, head, split, warps, block);
    }
    SyncThreads();
  }
}

}  // namespace transept::kernels::cuda
