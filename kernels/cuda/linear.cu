// Linear layers: the kernel of few rows where it serves, cuBLASLt and a pass over its result
// elsewhere.
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Grid: (rows, columns / kThreads). out = activation(out + bias).
template <typename T>
__global__ void __launch_bounds__(kThreads) FinishLinear(const LinearOp op) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column >= op.out.width) return;
  T* out = static_cast<T*>(op.out.data) + blockIdx.x * op.out.stride + column;
  const float bias = op.bias.data ? op.bias.data[column] : 0.0f;
  *out = FromFloat<T>(Activate(op.activation, ToFloat(*out) + bias));
}

// Grid: (rows, columns / kThreads). `in` is [rows, 2 * width]: gates, then up projections.
template <typename T>
__global__ void __launch_bounds__(kThreads) FinishGated(const GatedLinearOp op) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t row = blockIdx.x;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (column >= op.out.width) return;
  const T* in = static_cast<const T*>(op.scratch.data) + row * op.scratch.stride;
  const float gate = Activate(op.activation, ToFloat(in[column]));
  static_cast<T*>(op.out.data)[row * op.out.stride + column] =
      FromFloat<T>(gate * ToFloat(in[op.out.width + column]));
}

dim3 GridFor(int64_t rows, int64_t width) {
  return dim3(static_cast<unsigned>(rows),
              static_cast<unsigned>((width + kThreads - 1) / kThreads));
}

}  // namespace

void Run(const LinearOp& op, const Step& step, Resources& resources) {
  const int64_t rows = step.Rows(op.in.extent);
  const SkinnyProduct skinny{.weight = op.weight,
                             .bias = op.bias,
                             .activation = op.activation,
                             .in = op.in,
                             .residual = op.residual,
                             .out = op.out,
                             .rows = rows};
  if (SkinnySupports(skinny)) return Run(skinny, resources.device);

  // The product adds its residual, which is `out` in every model; the rest is done in place.
  resources.blas.Run({.weight = op.weight,
                      .in = op.in,
                      .out = op.out,
                      .add_to_out = op.residual.data != nullptr,
                      .rows = rows});
  if (op.bias.data == nullptr && op.activation == ActivationFunction::kNone) return;
  DispatchElement(op.out.dtype, [&](auto element) {
    Launch(resources.device, "finishing a linear layer", {GridFor(rows, op.out.width), kThreads},
           FinishLinear<decltype(element)>, op);
  });
}

void Run(const GatedLinearOp& op, const Step& step, Resources& resources) {
  const int64_t rows = step.Rows(op.in.extent);
  const SkinnyProduct skinny{.weight = op.weight,
                             .bias = {},
                             .activation = op.activation,
                             .gated = true,
                             .in = op.in,
                             .residual = {},
                             .out = op.out,
                             .rows = rows};
  if (SkinnySupports(skinny)) return Run(skinny, resources.device);
  resources.blas.Run({.weight = op.weight, .in = op.in, .out = op.scratch, .rows = rows});
  DispatchElement(op.out.dtype, [&](auto element) {
    Launch(resources.device, "gating", {GridFor(rows, op.out.width), kThreads},
           FinishGated<decltype(element)>, op);
  });
}

}  // namespace transept::kernels::cuda
