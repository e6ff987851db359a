// The cross K/V of newly encoded sources: projection, and the scatter into their pages.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The pages of the layers that one product serves.
constexpr int kMostLayers = 32;
struct Pages {
  void* keys[kMostLayers];
  void* values[kMostLayers];
  int num_kv_heads;
  int head_size;
  int block_size;
};

// Grid: (tokens, layers). `projected` is [T, layers, 2 * kv width]: of each layer keys, then
// values.
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads)
    ScatterKv(const T* projected, const float* bias, const int64_t* slots, const Pages pages) {
  using P = Pack<T, kPack>;
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t slot = slots[blockIdx.x];
  if (slot < 0) return;
  const int64_t block = slot / pages.block_size;
  const int64_t within = slot % pages.block_size;
  const int layer = blockIdx.y;
  const int width = pages.num_kv_heads * pages.head_size;
  const T* from = projected + (int64_t{blockIdx.x} * gridDim.y + layer) * 2 * width;
  for (int i = threadIdx.x * kPack; i < 2 * width; i += kThreads * kPack) {
    const int column = i % width;
    const int64_t head = block * pages.num_kv_heads + column / pages.head_size;
    const int64_t at =
        (head * pages.block_size + within) * pages.head_size + column % pages.head_size;
    P pack = *reinterpret_cast<const P*>(from + i);
    for (int k = 0; bias && k < kPack; ++k) {
      pack.element[k] = FromFloat<T>(ToFloat(pack.element[k]) + bias[layer * 2 * width + i + k]);
    }
    T* const to = static_cast<T*>(i < width ? pages.keys[layer] : pages.values[layer]);
    *reinterpret_cast<P*>(to + at) = pack;
  }
}

// Layers [first, first + count) of `op`.
struct Layers {
  int64_t first = 0;
  int64_t count = 0;
};

template <typename T>
void Scatter(const ProjectCrossKvOp& op, const Layers& layers, const Step& step,
             Resources& resources) {
  const PagedKv& cache = op.caches.front();
  Pages pages{.num_kv_heads = cache.num_kv_heads,
              .head_size = cache.head_size,
              .block_size = cache.block_size};
  for (int64_t i = 0; i < layers.count; ++i) {
    pages.keys[i] = op.caches[layers.first + i].keys;
    pages.values[i] = op.caches[layers.first + i].values;
  }
  const int64_t width = 2 * int64_t{cache.num_kv_heads} * cache.head_size;
  constexpr int kPack = kWidest<T>;
  Launch(
      resources.device, "writing cross K/V",
      {dim3(static_cast<unsigned>(step.num_tokens), static_cast<unsigned>(layers.count)), kThreads},
      cache.head_size % kPack == 0 ? ScatterKv<T, kPack> : ScatterKv<T, 1>,
      static_cast<const T*>(op.scratch.data),
      op.bias.data ? op.bias.data + layers.first * width : nullptr, step.encoder->cross_slots,
      pages);
}

// One product for as many layers as the scratch memory holds: where tokens are few, that of one
// layer would leave most of the GPU idle. As many for all numbers of tokens that share algorithms
// (blas.h).
int64_t LayersAtOnce(const ProjectCrossKvOp& op, int64_t tokens) {
  const int64_t most = op.scratch_rows / static_cast<int64_t>(std::bit_ceil<uint64_t>(tokens));
  return std::clamp<int64_t>(most, 1, kMostLayers);
}

}  // namespace

void Run(const ProjectCrossKvOp& op, const Step& step, Resources& resources) {
  if (step.num_tokens == 0) return;
  const auto num_layers = static_cast<int64_t>(op.caches.size());
  const int64_t rows = op.weight.rows / num_layers;
  const size_t layer_bytes = rows * op.weight.cols * SizeOf(op.weight.dtype);
  Layers layers;
  for (; layers.first < num_layers; layers.first += layers.count) {
    layers.count = std::min(LayersAtOnce(op, step.num_tokens), num_layers - layers.first);
    Matrix weight = op.weight;
    weight.data = static_cast<const char*>(op.weight.data) + layers.first * layer_bytes;
    weight.rows = layers.count * rows;
    weight.padded = false;
    Activations out = op.scratch;
    out.width = out.stride = weight.rows;
    resources.blas.Run({.weight = weight, .in = op.in, .out = out, .rows = step.num_tokens});
    if (layers.first == 0 && step.pages_free != nullptr) {
      Device& device = resources.device;
      device.Check(cudaStreamWaitEvent(device.stream(), step.pages_free), "waiting for K/V pages");
    }
    DispatchElement(out.dtype,
                    [&](auto element) { Scatter<decltype(element)>(op, layers, step, resources); });
  }
}

}  // namespace transept::kernels::cuda
