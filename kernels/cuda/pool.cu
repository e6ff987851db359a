#include "kernels/cuda/pool.h"

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 128;

// Grid: (ranges, columns by threads).
template <typename T>
__global__ void __launch_bounds__(kThreads) PoolColumn(const RowPooling pooling) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t column = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  if (column >= pooling.in.width) return;
  const TokenRange range = pooling.ranges[blockIdx.x];
  const T* in = static_cast<const T*>(pooling.in.data) + column;
  float sum = 0.0f;
  for (int64_t row = range.begin; row < range.end; ++row) {
    sum += ToFloat(in[row * pooling.in.stride]);
  }
  pooling.out[blockIdx.x * pooling.in.width + column] = sum / (range.end - range.begin);
}

}  // namespace

void PoolRows(const RowPooling& pooling, Device& device) {
  const dim3 grid(static_cast<unsigned>(pooling.num_ranges),
                  static_cast<unsigned>((pooling.in.width + kThreads - 1) / kThreads));
  DispatchElement(pooling.in.dtype, [&](auto element) {
    Launch(device, "pooling rows", {grid, kThreads}, PoolColumn<decltype(element)>, pooling);
  });
}

}  // namespace transept::kernels::cuda
