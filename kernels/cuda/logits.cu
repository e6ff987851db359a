// Logits on an H100 or H200, up to kMaxLogitRows rows at once. The weight is read once, by the copy
// engine, and multiplied by warpgroups; what plain rows (IsPlain) want of their logits is worked
// out while these are in registers, so that they are neither written nor read again.
#include "kernels/cuda/logits.h"

#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/logit_tile.cuh"
#include "kernels/cuda/process_logits.cuh"
#include "kernels/cuda/skinny.h"
#include "kernels/cuda/tensor_copy.cuh"
#include "kernels/cuda/tensor_map.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = kMultipliers + 128;  // a warpgroup more, of which one thread copies

struct Parameters {
  CUtensorMap weight;  // [vocab, depth] in tiles of kTileTokens
  CUtensorMap in;      // [rows, depth] in tiles of all rows
  const float* bias;   // [vocab] or null
  int depth;
  TokenChoice choice;
  Summary* summaries;  // [rows, gridDim.x]
};

// Of a row, while the kernel runs.
struct RowNote {
  int32_t slot;
  uint32_t banned_sets;  // where the row is summed up here
  bool written;          // whether its logits are
};

// Of a tile of the vocabulary.
template <int kRows>
struct TileNote {
  uint32_t banned[kRows][kTileWords];
  float bias[kTileTokens];
};

// As many stages as fit.
template <int kRows>
struct Shared {
  static constexpr int kStages = kRows == kMaxLogitRows ? 4 : 5;
  static constexpr int kWeightBytes = kTileTokens * kMapColumns * 2;
  static constexpr int kInBytes = kRows * kMapColumns * 2;

  char weight[kStages][kWeightBytes];
  char in[kStages][kInBytes];
  Summary parts[LogitShares<kRows>::kTokenGroups][kRows];  // of all tiles
  TileNote<kRows> tiles[2];                                // this one and the next
  RowNote rows[kRows];
  CopyBarrier full[kStages], empty[kStages];
};

// One thread: brings all that the block multiplies, the weight of the first stages before the
// kernel in front has ended.
template <int kRows>
__device__ void CopyAll(const Parameters& p, Shared<kRows>& shared) {
  using S = Shared<kRows>;
  const int tiles = (static_cast<int>(p.choice.logits.width) + kTileTokens - 1) / kTileTokens;
  const int slices = (p.depth + kMapColumns - 1) / kMapColumns;
  const int mine = (tiles - static_cast<int>(blockIdx.x) + static_cast<int>(gridDim.x) - 1) /
                   static_cast<int>(gridDim.x);
  const int steps = mine * slices;
  const auto copy_weight = [&](int step, int stage) {
    const int tile = static_cast<int>(blockIdx.x) + step / slices * static_cast<int>(gridDim.x);
    shared.full[stage].ArriveExpecting(S::kWeightBytes + S::kInBytes);
    CopyTile(shared.weight[stage], p.weight, tile * kTileTokens, step % slices * kMapColumns,
             &shared.full[stage]);
  };
  for (int step = 0; step < min(S::kStages, steps); ++step) copy_weight(step, step);
  WaitForPredecessor();
  RingPosition<S::kStages> at;
  for (int step = 0; step < steps; ++step) {
    if (step >= S::kStages) {
      shared.empty[at.stage].Wait(at.parity ^ 1);
      copy_weight(step, at.stage);
    }
    CopyTile(shared.in[at.stage], p.in, 0, step % slices * kMapColumns, &shared.full[at.stage]);
    at.Advance();
  }
}

// One thread a row.
template <int kRows>
__device__ void NoteRow(const Parameters& p, int row, Shared<kRows>& shared) {
  RowNote note = {};
  if (row < p.choice.num_rows) {
    const RowChoice& choice = p.choice.rows[row];
    const bool plain = IsPlain(choice);
    note = {choice.slot, plain ? choice.banned_sets : 0, !plain};
  }
  shared.rows[row] = note;
}

// Returns whether the thread has noted that something is banned.
template <int kRows>
__device__ bool NoteTile(const Parameters& p, int begin, const Shared<kRows>& shared,
                         TileNote<kRows>* tile) {
  static_assert(kMultipliers == kTileTokens);
  const int thread = static_cast<int>(threadIdx.x);
  const bool biased = p.bias != nullptr && begin + thread < p.choice.logits.width;
  tile->bias[thread] = biased ? p.bias[begin + thread] : 0.0f;
  const RowSlots& slots = p.choice.slots;
  uint32_t any = 0;
#pragma unroll
  for (int i = thread; i < kRows * kTileWords; i += kMultipliers) {
    const RowNote& row = shared.rows[i / kTileWords];
    const int word = begin / 32 + i % kTileWords;
    uint32_t tokens = 0;
    for (uint32_t left = word < slots.set_words ? row.banned_sets : 0; left != 0;
         left &= left - 1) {
      const int set = __ffs(static_cast<int>(left)) - 1;
      tokens |= slots.token_sets[(row.slot * kTokenSets + set) * slots.set_words + word];
    }
    tile->banned[i / kTileWords][i % kTileWords] = tokens;
    any |= tokens;
  }
  return any != 0;
}

// Multiplies a warpgroup's part of a tile, all of the depth.
template <typename T, int kRows>
__device__ void MultiplyTile(int slices, Shared<kRows>& shared,
                             RingPosition<Shared<kRows>::kStages>* at, LogitTile<kRows>* tile) {
  using Shares = LogitShares<kRows>;
  constexpr int kRowBytes = kMapColumns * 2;
  for (int slice = 0; slice < slices; ++slice) {
    const int stage = at->stage;
    shared.full[stage].Wait(at->parity);
    const uint64_t rows = OperandAt(shared.in[stage] + Shares::FirstRow() * kRowBytes);
    BeginGroupProducts();
#pragma unroll
    for (int depth = 0; depth < kMapColumns; depth += kGroupDepth) {
#pragma unroll
      for (int i = 0; i < tile->kBlocks; ++i) {
        const int token = Shares::FirstToken() + i * kGroupFeatures;
        GroupMultiply<T>(tile->block(i), Along(rows, depth),
                         Along(OperandAt(shared.weight[stage] + token * kRowBytes), depth),
                         slice > 0 || depth > 0);
      }
    }
    CommitGroupProducts();
    WaitForGroupProducts<0>();
    if (threadIdx.x % 32 == 0) shared.empty[stage].Arrive();
    at->Advance();
  }
}

template <typename T, int kRows>
__device__ void MultiplyAll(const Parameters& p, Shared<kRows>& shared) {
  using Tile = LogitTile<kRows>;
  const int width = static_cast<int>(p.choice.logits.width);
  const int slices = (p.depth + kMapColumns - 1) / kMapColumns;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < kRows) NoteRow(p, thread, shared);
  SyncMultipliers();
  WaitForPredecessor();
  RingPosition<Shared<kRows>::kStages> at;
  Summary totals[2];
  bool odd = false;
  for (int begin = static_cast<int>(blockIdx.x) * kTileTokens; begin < width;
       begin += static_cast<int>(gridDim.x) * kTileTokens) {
    TileNote<kRows>& note = shared.tiles[odd];
    odd = !odd;
    const bool noted = NoteTile(p, begin, shared, &note);
    Tile tile;
    MultiplyTile<T>(slices, shared, &at, &tile);
    const bool bans = AnyMultiplier(noted);
    const int inside = width - begin;
    if (p.bias != nullptr) tile.AddBias(note.bias);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = Tile::Row(half);
      if (shared.rows[row].written) {
        float* const out = static_cast<float*>(p.choice.logits.data);
        tile.Write(half, out + row * p.choice.logits.stride + begin, inside);
      }
      if (bans || inside < kTileTokens) tile.Ban(half, note.banned[row], inside);
      tile.AddTo(&totals[half], half, begin);
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const Summary of_row = MergeLanes(totals[half]);
    if (thread % 4 == 0) {
      shared.parts[LogitShares<kRows>::TokenGroup()][Tile::Row(half)] = of_row;
    }
  }
  SyncMultipliers();
  if (thread >= min(kRows, static_cast<int>(p.choice.num_rows))) return;
  Summary total;
#pragma unroll
  for (const auto& part : shared.parts) total = Merge(total, part[thread]);
  p.summaries[thread * gridDim.x + blockIdx.x] = total;
}

// Grid: as many blocks as run at once, which take turns at tiles of tokens.
template <typename T, int kRows>
__global__ void __launch_bounds__(kThreads, 1) Logits(const __grid_constant__ Parameters p) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  // Of a thread: together as many as the block is launched with.
  constexpr int kCopierRegisters = 40, kMultiplierRegisters = 232;
  extern __shared__ char memory[];
  constexpr uintptr_t kAlignment = 1024;
  auto& shared = *reinterpret_cast<Shared<kRows>*>(
      (reinterpret_cast<uintptr_t>(memory) + kAlignment - 1) / kAlignment * kAlignment);
  if (threadIdx.x == 0) {
    for (CopyBarrier& barrier : shared.full) barrier.Init(1);
    for (CopyBarrier& barrier : shared.empty) barrier.Init(kMultipliers / 32);
    FenceBarriers();
  }
  __syncthreads();
  LetSuccessorStart();
  if (threadIdx.x < kMultipliers) {
    GrowRegisters<kMultiplierRegisters>();
    MultiplyAll<T>(p, shared);
  } else {
    ShrinkRegisters<kCopierRegisters>();
    if (threadIdx.x == kMultipliers) CopyAll(p, shared);
  }
#else
  __trap();
#endif
}

template <typename T, int kRows>
void LaunchLogits(const LinearOp& op, Summary* summaries, TokenChoice* choice, Device& device) {
  const int64_t tiles = (op.weight.rows + kTileTokens - 1) / kTileTokens;
  const int64_t blocks = std::min<int64_t>(tiles, device.multiprocessors());
  const Parameters parameters{.weight = MapOf({.data = op.weight.data,
                                               .dtype = op.weight.dtype,
                                               .rows = op.weight.rows,
                                               .cols = op.weight.cols,
                                               .stride = op.weight.cols,
                                               .tile_rows = kTileTokens},
                                              device),
                              .in = MapOf({.data = op.in.data,
                                           .dtype = op.in.dtype,
                                           .rows = choice->num_rows,
                                           .cols = op.weight.cols,
                                           .stride = op.in.stride,
                                           .tile_rows = kRows},
                                          device),
                              .bias = op.bias.data,
                              .depth = static_cast<int>(op.weight.cols),
                              .choice = *choice,
                              .summaries = summaries};
  constexpr size_t kAlignment = 1024;
  constexpr size_t kBytes = sizeof(Shared<kRows>) + kAlignment;
  static_assert(kBytes <= 227 << 10);
  Launch(device, "logits", {dim3(static_cast<unsigned>(blocks)), kThreads, kBytes},
         Logits<T, kRows>, parameters);
  choice->summaries = summaries;
  choice->summary_parts = static_cast<int32_t>(blocks);
}

template <typename T>
void LaunchForRows(const LinearOp& op, Summary* summaries, TokenChoice* choice, Device& device) {
  if (choice->num_rows <= kGroupRows)
    return LaunchLogits<T, kGroupRows>(op, summaries, choice, device);
  LaunchLogits<T, kMaxLogitRows>(op, summaries, choice, device);
}

}  // namespace

bool MakesLogits(const LinearOp& op, int64_t rows, const Device& device) {
#ifdef TRANSEPT_SM90A
  constexpr int kArchitecture = 90;
  const auto is_aligned = [](const void* data) {
    return reinterpret_cast<uintptr_t>(data) % 16 == 0;
  };
  return device.architecture() == kArchitecture && rows > 0 && rows <= kMaxLogitRows &&
         op.weight.rows > kMaxSkinnyFeatures && op.weight.dtype == op.in.dtype &&
         (op.weight.dtype == DataType::kBFloat16 || op.weight.dtype == DataType::kFloat16) &&
         op.out.dtype == DataType::kFloat32 && op.out.extent == Extent::kRows &&
         op.residual.data == nullptr && op.activation == ActivationFunction::kNone &&
         op.weight.cols % 8 == 0 && op.in.stride % 8 == 0 && is_aligned(op.weight.data) &&
         is_aligned(op.in.data);
#else
  static_cast<void>(op), static_cast<void>(rows), static_cast<void>(device);
  return false;
#endif
}

size_t LogitSummaryBytes(const Device& device) {
  return kMaxLogitRows * device.multiprocessors() * sizeof(Summary);
}

void MakeLogits(const LinearOp& op, Summary* summaries, TokenChoice* choice, Device& device) {
  if (op.weight.dtype == DataType::kBFloat16) {
    LaunchForRows<BFloat16>(op, summaries, choice, device);
  } else {
    LaunchForRows<Float16>(op, summaries, choice, device);
  }
}

}  // namespace transept::kernels::cuda
