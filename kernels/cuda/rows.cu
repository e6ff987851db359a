// The operations that treat rows one by one: embedding, norm, gathering.
#include <type_traits>
#include <utility>

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/split_norm.h"
#include "kernels/cuda/warp.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The sum over all threads of a block, in every thread.
__device__ float BlockSum(float value) {
  __shared__ float partial[kThreads / 32];
  const float of_warp = SumOverLanes(value);
  __syncthreads();
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = of_warp;
  __syncthreads();
  float sum = 0.0f;
  for (int warp = 0; warp < kThreads / 32; ++warp) sum += partial[warp];
  return sum;
}

// Grid: tokens. Takes kPack elements at once, all of whose loads are under way together.
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads)
    EmbedRow(const EmbedOp op, const int32_t* token_ids, const int32_t* positions,
             const SplitNorm norm) {
  LetSuccessorStart();
  WaitForPredecessor();
  using Floats = Pack<float, kPack>;
  using P = Pack<T, kPack>;
  const int64_t token = blockIdx.x;
  const int64_t width = op.out.width;
  const T* row = static_cast<const T*>(op.table.data) + token_ids[token] * width;
  const float* position = static_cast<const float*>(op.positions.data);
  if (position) position += (positions[token] + op.position_offset) * width;
  float* out = static_cast<float*>(op.out.data) + token * op.out.stride;
  RowSums sums;
  for (int64_t i = threadIdx.x * kPack; i < width; i += kThreads * kPack) {
    const P element = *reinterpret_cast<const P*>(row + i);
    const Floats at = position ? *reinterpret_cast<const Floats*>(position + i) : Floats{};
    const Floats weight =
        norm.weight ? *reinterpret_cast<const Floats*>(norm.weight + i) : Floats{};
    Floats value;
    P scaled;
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      value.element[j] = ToFloat(element.element[j]) * op.scale + at.element[j];
      sums.sum += value.element[j];
      sums.squares += value.element[j] * value.element[j];
      scaled.element[j] = FromFloat<T>(value.element[j] * weight.element[j]);
    }
    *reinterpret_cast<Floats*>(out + i) = value;
    if (norm.weight) {
      T* const to = static_cast<T*>(norm.scaled) + token * norm.scaled_stride + i;
      *reinterpret_cast<P*>(to) = scaled;
    }
  }
  if (norm.weight == nullptr) return;
  sums = {BlockSum(sums.sum), BlockSum(sums.squares)};
  if (threadIdx.x == 0) norm.sums[token * PartStride(norm.parts)] = sums;
}

// Calls fn(column, values) for the packs of a row that this thread treats.
template <int kPack, typename Fn>
__device__ void ForEachPack(const float* row, int64_t width, Fn fn) {
  for (int64_t i = threadIdx.x * kPack; i < width; i += kThreads * kPack) {
    fn(i, *reinterpret_cast<const Pack<float, kPack>*>(row + i));
  }
}

// Row `row` of a norm's results: in the type of `out`, and in the stream if that takes them too.
template <typename T, int kPack>
struct NormedRow {
  __device__ NormedRow(const NormOp& op, int64_t row)
      : out(static_cast<T*>(op.out.data) + row * op.out.stride),
        stream(static_cast<float*>(op.stream.data)) {
    if (stream) stream += row * op.stream.stride;
  }
  __device__ void Write(int64_t at, const Pack<float, kPack>& values) const {
    Pack<T, kPack> y;
    for (int i = 0; i < kPack; ++i) y.element[i] = FromFloat<T>(values.element[i]);
    *reinterpret_cast<Pack<T, kPack>*>(out + at) = y;
    if (stream) *reinterpret_cast<Pack<float, kPack>*>(stream + at) = values;
  }

  T* out;
  float* stream;
};

// What a thread holds of a row: every kThreads-th pack, kPacks at most.
template <int kPack, int kPacks>
struct RowPacks {
  Pack<float, kPack> packs[kPacks];

  __device__ static int64_t Column(int i) {
    return (static_cast<int64_t>(i) * kThreads + threadIdx.x) * kPack;
  }
  // Null data, and what is beyond the width, reads as zeros.
  __device__ void Load(const float* row, int64_t width) {
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
      const int64_t at = Column(i);
      packs[i] = row && at < width ? *reinterpret_cast<const Pack<float, kPack>*>(row + at)
                                   : Pack<float, kPack>{};
    }
  }
  // Adds the parts of row `row`, of so many rows, and the bias.
  __device__ void Add(const PartialSums& partial, int64_t row, int64_t rows, int64_t width,
                      const RowPacks& bias) {
    RowPacks parts[kMaxNormParts];
#pragma unroll
    for (int part = 0; part < kMaxNormParts; ++part) {
      const bool some = part < partial.parts;
      parts[part].Load(some ? partial.sums + (part * rows + row) * width : nullptr, width);
    }
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
#pragma unroll
      for (int j = 0; j < kPack; ++j) {
        float sum = 0.0f;
#pragma unroll
        for (int part = 0; part < kMaxNormParts; ++part) sum += parts[part].packs[i].element[j];
        packs[i].element[j] += sum + bias.packs[i].element[j];
      }
    }
  }
  __device__ void Store(float* row, int64_t width) const {
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
      const int64_t at = Column(i);
      if (at < width) *reinterpret_cast<Pack<float, kPack>*>(row + at) = packs[i];
    }
  }
  // The sum of term(x) over the row's elements, in every thread of the block.
  template <typename Term>
  __device__ float Sum(int64_t width, Term term) const {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
#pragma unroll
      for (int j = 0; j < kPack; ++j) {
        if (Column(i) < width) sum += term(packs[i].element[j]);
      }
    }
    return BlockSum(sum);
  }
};

// What a norm reads.
struct NormInput {
  PartialSums partial;  // to be added to the rows first
  // Set: what is to be gathered (GatherRowsOp). Null: one row after the other.
  const int32_t* query_offsets = nullptr;

  // The row of the input that this block normalises.
  __device__ int64_t Row() const {
    return query_offsets ? query_offsets[blockIdx.x + 1] - 1 : blockIdx.x;
  }
};

// Grid: rows of kThreads * kPack * kPacks elements at most. The norm's weights, which come from
// memory, are on their way before the row is there. `in` may be `out` or the stream. kAdds: the
// partial sums are added to `in` first, which afterwards holds the result unless the norm replaces
// it.
template <typename T, int kPack, int kPacks, bool kAdds>
__global__ void __launch_bounds__(kThreads) NormRow(const NormOp op, const NormInput input) {
  using Row = RowPacks<kPack, kPacks>;
  LetSuccessorStart();
  const int64_t width = op.in.width;
  Row weight, bias, product_bias, x;
  weight.Load(op.weight.data, width);
  bias.Load(op.bias.data, width);
  if constexpr (kAdds) product_bias.Load(input.partial.bias, width);
  WaitForPredecessor();
  float* const in = static_cast<float*>(op.in.data) + input.Row() * op.in.stride;
  x.Load(in, width);
  if constexpr (kAdds) {
    x.Add(input.partial, blockIdx.x, gridDim.x, width, product_bias);
    if (op.stream.data != op.in.data) x.Store(in, width);
  }
  float mean = 0.0f;
  if (op.kind == NormKind::kLayer) {
    mean = x.Sum(width, [](float value) { return value; }) / width;
  }
  const float squares =
      x.Sum(width, [mean](float value) { return (value - mean) * (value - mean); });
  const float scale = rsqrtf(squares / width + op.eps);
  const NormedRow<T, kPack> out(op, blockIdx.x);
#pragma unroll
  for (int i = 0; i < kPacks; ++i) {
    if (Row::Column(i) >= width) break;
    Pack<float, kPack> y = x.packs[i];
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      const float normed = (y.element[j] - mean) * scale * weight.packs[i].element[j];
      y.element[j] = (normed + bias.packs[i].element[j]) * op.output_scale;
    }
    out.Write(Row::Column(i), y);
  }
}

// The same for rows of any width, which it reads several times, and for no norm at all.
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads) NormLongRow(const NormOp op, const NormInput input) {
  using P = Pack<float, kPack>;
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t width = op.in.width;
  const float* in = static_cast<const float*>(op.in.data) + input.Row() * op.in.stride;
  const NormedRow<T, kPack> out(op, blockIdx.x);
  if (op.kind == NormKind::kNone) {
    ForEachPack<kPack>(in, width, [&](int64_t at, P x) {
      for (int i = 0; i < kPack; ++i) x.element[i] *= op.output_scale;
      out.Write(at, x);
    });
    return;
  }
  float mean = 0.0f;
  if (op.kind == NormKind::kLayer) {
    ForEachPack<kPack>(in, width, [&](int64_t, const P& x) {
      for (int i = 0; i < kPack; ++i) mean += x.element[i];
    });
    mean = BlockSum(mean) / width;
  }
  float squares = 0.0f;
  ForEachPack<kPack>(in, width, [&](int64_t, const P& x) {
    for (int i = 0; i < kPack; ++i) squares += (x.element[i] - mean) * (x.element[i] - mean);
  });
  const float scale = rsqrtf(BlockSum(squares) / width + op.eps);
  ForEachPack<kPack>(in, width, [&](int64_t at, P x) {
    const P weight = *reinterpret_cast<const P*>(op.weight.data + at);
    const P bias = op.bias.data ? *reinterpret_cast<const P*>(op.bias.data + at) : P{};
    for (int i = 0; i < kPack; ++i) {
      const float normed = (x.element[i] - mean) * scale * weight.element[i] + bias.element[i];
      x.element[i] = normed * op.output_scale;
    }
    out.Write(at, x);
  });
}

bool IsAligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

// Whether everything that a norm reads and writes can be taken four at a time.
bool InFours(const NormOp& op) {
  return op.in.width % 4 == 0 && op.in.stride % 4 == 0 && op.out.stride % 4 == 0 &&
         op.stream.stride % 4 == 0 && IsAligned(op.in.data) && IsAligned(op.out.data) &&
         IsAligned(op.stream.data) && IsAligned(op.weight.data) && IsAligned(op.bias.data);
}

// Packs of four that a thread has of a row.
int64_t FoursOf(const NormOp& op) {
  return (op.in.width + 4 * kThreads - 1) / (4 * kThreads);
}
constexpr int64_t kMostFours = 4;

// Grid: rows.
__global__ void __launch_bounds__(kThreads)
    GatherRow(const GatherRowsOp op, const int32_t* query_offsets) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t token = query_offsets[blockIdx.x + 1] - 1;
  const float* in = static_cast<const float*>(op.in.data) + token * op.in.stride;
  float* out = static_cast<float*>(op.out.data) + blockIdx.x * op.out.stride;
  for (int64_t i = threadIdx.x; i < op.in.width; i += kThreads) out[i] = in[i];
}

dim3 Blocks(int64_t count) {
  return dim3(static_cast<unsigned>(count));
}

}  // namespace

void Run(const EmbedOp& op, const Step& step, Resources& resources,
         const PlannedOperation& planned) {
  SplitNorm norm;
  if (const NeighbourNorm& after = planned.norms.after; after.Splits(step.num_tokens)) {
    norm = SplitOf(*after.norm, resources.sums[after.slot], 1);
    resources.parts[after.slot] = 1;
  }
  const bool in_fours = op.out.width % 4 == 0 && op.out.stride % 4 == 0 &&
                        norm.scaled_stride % 4 == 0 && IsAligned(op.table.data) &&
                        IsAligned(op.positions.data) && IsAligned(op.out.data) &&
                        IsAligned(norm.weight) && IsAligned(norm.scaled);
  DispatchElement(op.table.dtype, [&](auto element) {
    using T = decltype(element);
    Launch(resources.device, "embedding", {Blocks(step.num_tokens), kThreads},
           in_fours ? EmbedRow<T, 4> : EmbedRow<T, 1>, op, step.token_ids, step.embedded_positions,
           norm);
  });
}

bool CanAddParts(const NormOp& op) {
  return op.kind != NormKind::kNone && InFours(op) && FoursOf(op) <= kMostFours;
}

void Run(const NormOp& norm, const Step& step, Resources& resources,
         const PlannedOperation& planned) {
  NormOp op = norm;
  NormInput input{std::exchange(resources.left, {})};
  if (planned.gather) {
    op.in = planned.gather->in;
    input.query_offsets = step.decoder->query_offsets;
  }
  const LaunchShape shape{Blocks(step.Rows(op.out.extent)), kThreads};
  DispatchElement(op.out.dtype, [&](auto element) {
    using T = decltype(element);
    if (!CanAddParts(op)) {
      Launch(resources.device, "norm", shape, InFours(op) ? NormLongRow<T, 4> : NormLongRow<T, 1>,
             op, input);
      return;
    }
    const auto launch = [&](auto adds) {
      constexpr bool kAdds = decltype(adds)::value;
      const int64_t fours = FoursOf(op);
      Launch(resources.device, "norm", shape,
             fours == 1   ? NormRow<T, 4, 1, kAdds>
             : fours == 2 ? NormRow<T, 4, 2, kAdds>
                          : NormRow<T, 4, 4, kAdds>,
             op, input);
    };
    if (input.partial.sums) {
      launch(std::true_type{});
    } else {
      launch(std::false_type{});
    }
  });
}

void Run(const GatherRowsOp& op, const Step& step, Resources& resources) {
  Launch(resources.device, "gathering rows", {Blocks(step.num_rows), kThreads}, GatherRow, op,
         step.decoder->query_offsets);
}

}  // namespace transept::kernels::cuda
