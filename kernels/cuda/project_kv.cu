// The cross K/V of newly encoded sources: projection, and the scatter into their pages.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Grid: tokens. `projected` is [T, 2 * kv width]: keys, then values.
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads)
    ScatterKv(const T* projected, int64_t stride, const float* bias, const int64_t* slots,
              const PagedKv cache) {
  using P = Pack<T, kPack>;
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t slot = slots[blockIdx.x];
  const int64_t block = slot / cache.block_size;
  const int64_t within = slot % cache.block_size;
  const int width = cache.num_kv_heads * cache.head_size;
  const T* from = projected + blockIdx.x * stride;
  for (int i = threadIdx.x * kPack; i < 2 * width; i += kThreads * kPack) {
    const int column = i % width;
    const int64_t head = block * cache.num_kv_heads + column / cache.head_size;
    const int64_t at =
        (head * cache.block_size + within) * cache.head_size + column % cache.head_size;
    P pack = *reinterpret_cast<const P*>(from + i);
    for (int k = 0; bias && k < kPack; ++k) {
      pack.element[k] = FromFloat<T>(ToFloat(pack.element[k]) + bias[i + k]);
    }
    T* const to = static_cast<T*>(i < width ? cache.keys : cache.values);
    *reinterpret_cast<P*>(to + at) = pack;
  }
}

template <typename T>
void Scatter(const ProjectCrossKvOp& op, size_t layer, const Step& step, Resources& resources) {
  const int64_t rows = op.weight.rows / static_cast<int64_t>(op.caches.size());
  const PagedKv& cache = op.caches[layer];
  constexpr int kPack = kWidest<T>;
  Launch(resources.device, "writing cross K/V",
         {dim3(static_cast<unsigned>(step.num_tokens)), kThreads},
         cache.head_size % kPack == 0 ? ScatterKv<T, kPack> : ScatterKv<T, 1>,
         static_cast<const T*>(op.scratch.data), op.scratch.stride,
         op.bias.data ? op.bias.data + layer * rows : nullptr, step.encoder->cross_slots, cache);
}

}  // namespace

void Run(const ProjectCrossKvOp& op, const Step& step, Resources& resources) {
  const int64_t rows = op.weight.rows / static_cast<int64_t>(op.caches.size());
  const size_t layer_bytes = rows * op.weight.cols * SizeOf(op.weight.dtype);
  for (size_t layer = 0; layer < op.caches.size(); ++layer) {
    Matrix weight = op.weight;
    weight.data = static_cast<const char*>(op.weight.data) + layer * layer_bytes;
    weight.rows = rows;
    resources.blas.Run({.weight = weight, .in = op.in, .out = op.scratch, .rows = step.num_tokens});
    DispatchElement(op.scratch.dtype,
                    [&](auto element) { Scatter<decltype(element)>(op, layer, step, resources); });
  }
}

}  // namespace transept::kernels::cuda
