// The operations that treat rows one by one: embedding, norm, gathering.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The sum over all threads of a block, in every thread.
__device__ float BlockSum(float value) {
  __shared__ float partial[kThreads / 32];
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(~0u, value, distance);
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0.0f;
  for (int warp = 0; warp < kThreads / 32; ++warp) sum += partial[warp];
  return sum;
}

// Grid: tokens.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    EmbedRow(const EmbedOp op, const int32_t* token_ids, const int32_t* positions,
             const SplitNorm norm) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t token = blockIdx.x;
  const int64_t width = op.out.width;
  const T* row = static_cast<const T*>(op.table.data) + token_ids[token] * width;
  const float* position = static_cast<const float*>(op.positions.data);
  if (position) position += (positions[token] + op.position_offset) * width;
  float* out = static_cast<float*>(op.out.data) + token * op.out.stride;
  float squares = 0.0f;
  for (int64_t i = threadIdx.x; i < width; i += kThreads) {
    const float value = ToFloat(row[i]) * op.scale + (position ? position[i] : 0.0f);
    out[i] = value;
    squares += value * value;
    if (norm.weight) {
      static_cast<T*>(norm.scaled)[token * norm.scaled_stride + i] =
          FromFloat<T>(value * norm.weight[i]);
    }
  }
  if (norm.weight == nullptr) return;
  squares = BlockSum(squares);
  if (threadIdx.x == 0) norm.squares[token] = squares;
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

// Grid: rows. Reads its row from memory and then from cache; `in` may be `out` or the stream.
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads) NormRow(const NormOp op) {
  using P = Pack<float, kPack>;
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t width = op.in.width;
  const float* in = static_cast<const float*>(op.in.data) + blockIdx.x * op.in.stride;
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

// Whether everything that a norm reads and writes can be taken four at a time.
bool InFours(const NormOp& op) {
  const auto even = [](const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; };
  return op.in.width % 4 == 0 && op.in.stride % 4 == 0 && op.out.stride % 4 == 0 &&
         op.stream.stride % 4 == 0 && even(op.in.data) && even(op.out.data) &&
         even(op.stream.data) && even(op.weight.data) && even(op.bias.data);
}

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

void Run(const EmbedOp& op, const Step& step, Resources& resources, const NormNeighbours& norms) {
  if (norms.after) resources.parts = 1;
  const SplitNorm norm = Split(norms.after, resources.squares, 1);
  DispatchElement(op.table.dtype, [&](auto element) {
    Launch(resources.device, "embedding", {Blocks(step.num_tokens), kThreads},
           EmbedRow<decltype(element)>, op, step.token_ids, step.positions, norm);
  });
}

void Run(const NormOp& op, const Step& step, Resources& resources) {
  DispatchElement(op.out.dtype, [&](auto element) {
    using T = decltype(element);
    Launch(resources.device, "norm", {Blocks(step.Rows(op.in.extent)), kThreads},
           InFours(op) ? NormRow<T, 4> : NormRow<T, 1>, op);
  });
}

void Run(const GatherRowsOp& op, const Step& step, Resources& resources) {
  Launch(resources.device, "gathering rows", {Blocks(step.num_rows), kThreads}, GatherRow, op,
         step.decoder->query_offsets);
}

}  // namespace transept::kernels::cuda
