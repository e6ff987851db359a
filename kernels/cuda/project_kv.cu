// The cross K/V of newly encoded sources: projection, and the scatter into their pages.
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Grid: tokens. `projected` is [T, 2 * kv_width]: keys, then values.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    ScatterKv(const T* projected, int64_t stride, const float* bias, const int64_t* slots,
              const PagedKv cache) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t slot = slots[blockIdx.x];
  const int64_t block = slot / cache.block_size;
  const int64_t within = slot % cache.block_size;
  const int width = cache.num_kv_heads * cache.head_size;
  const T* keys = projected + blockIdx.x * stride;
  for (int i = threadIdx.x; i < width; i += kThreads) {
    const int head = i / cache.head_size;
    const int64_t at =
        ((block * cache.num_kv_heads + head) * cache.block_size + within) * cache.head_size +
        i % cache.head_size;
    const float key_bias = bias ? bias[i] : 0.0f;
    const float value_bias = bias ? bias[width + i] : 0.0f;
    static_cast<T*>(cache.keys)[at] = FromFloat<T>(ToFloat(keys[i]) + key_bias);
    static_cast<T*>(cache.values)[at] = FromFloat<T>(ToFloat(keys[width + i]) + value_bias);
  }
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
    DispatchElement(op.scratch.dtype, [&](auto element) {
      using T = decltype(element);
      Launch(resources.device, "writing cross K/V",
             {dim3(static_cast<unsigned>(step.num_tokens)), kThreads}, ScatterKv<T>,
             static_cast<const T*>(op.scratch.data), op.scratch.stride,
             op.bias.data ? op.bias.data + layer * rows : nullptr, step.encoder->cross_slots,
             op.caches[layer]);
    });
  }
}

}  // namespace transept::kernels::cuda
