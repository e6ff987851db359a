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
  *out = FromFloat<T>(Activate(op.activation, Saturated(*out) + bias));
}

// Grid: (rows, columns / (kThreads * kPack)). The scratch is [rows, 2 * width]: gates, then up
// projections.
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads) FinishGated(const GatedLinearOp op) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t row = blockIdx.x;
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kPack;
  if (column >= op.out.width) return;
  using P = Pack<T, kPack>;
  const T* in = static_cast<const T*>(op.scratch.data) + row * op.scratch.stride + column;
  const P gate = *reinterpret_cast<const P*>(in);
  const P up = *reinterpret_cast<const P*>(in + op.out.width);
  P out;
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    const float open = Activate(op.activation, Saturated(gate.element[i]));
    out.element[i] = FromFloat<T>(open * Saturated(up.element[i]));
  }
  *reinterpret_cast<P*>(static_cast<T*>(op.out.data) + row * op.out.stride + column) = out;
}

// Whether cuBLASLt gives the same as a pass over its result. It takes biases of its result's type
// only, and leaves infinity where float16 must saturate; its GELU is the one with tanh alone.
bool ProductFinishes(const LinearOp& op) {
  if (op.activation == ActivationFunction::kNone && op.bias.data == nullptr) return true;
  if (op.activation != ActivationFunction::kNone && op.activation != ActivationFunction::kRelu) {
    return false;
  }
  return op.out.dtype == DataType::kFloat32 ||
         (op.out.dtype == DataType::kBFloat16 && op.bias.data == nullptr);
}

dim3 GridFor(int64_t rows, int64_t width) {
  return dim3(static_cast<unsigned>(rows),
              static_cast<unsigned>((width + kThreads - 1) / kThreads));
}

// Takes over the halves of the norms around a product of few rows, and runs it.
void RunSkinny(SkinnyProduct product, const NormNeighbours& norms, Resources& resources) {
  product.norm_before = Split(norms.before, resources.squares, resources.parts);
  if (norms.after) {
    resources.parts = PartsOf(product, resources.device);
    product.norm_after = Split(norms.after, resources.squares, resources.parts);
  }
  Run(product, resources.device);
}

}  // namespace

void Run(const LinearOp& op, const Step& step, Resources& resources, const NormNeighbours& norms) {
  const int64_t rows = step.Rows(op.in.extent);
  const SkinnyProduct skinny = SkinnyOf(op, rows);
  if (SkinnySupports(skinny)) return RunSkinny(skinny, norms, resources);

  // The product adds its residual, which is `out` in every model and follows no activation; the
  // rest is done in place.
  if (op.residual.data &&
      (op.residual.data != op.out.data || op.activation != ActivationFunction::kNone)) {
    resources.device.Check(cudaErrorNotSupported,
                           "a linear layer with an activation in front of its residual, or with a "
                           "residual that is not its output");
    return;
  }
  Product product{.weight = op.weight,
                  .in = op.in,
                  .out = op.out,
                  .add_to_out = op.residual.data != nullptr,
                  .rows = rows};
  const bool finished = ProductFinishes(op);
  if (finished) {
    product.bias = op.bias;
    product.relu = op.activation == ActivationFunction::kRelu;
  }
  resources.blas.Run(product);
  if (finished) return;
  DispatchElement(op.out.dtype, [&](auto element) {
    Launch(resources.device, "finishing a linear layer", {GridFor(rows, op.out.width), kThreads},
           FinishLinear<decltype(element)>, op);
  });
}

void Run(const GatedLinearOp& op, const Step& step, Resources& resources,
         const NormNeighbours& norms) {
  const int64_t rows = step.Rows(op.in.extent);
  const SkinnyProduct skinny = SkinnyOf(op, rows);
  if (SkinnySupports(skinny)) return RunSkinny(skinny, norms, resources);
  resources.blas.Run({.weight = op.weight, .in = op.in, .out = op.scratch, .rows = rows});
  DispatchElement(op.out.dtype, [&](auto element) {
    using T = decltype(element);
    constexpr int kPack = kWidest<T>;
    if (op.out.width % kPack == 0) {
      Launch(resources.device, "gating", {GridFor(rows, op.out.width / kPack), kThreads},
             FinishGated<T, kPack>, op);
    } else {
      Launch(resources.device, "gating", {GridFor(rows, op.out.width), kThreads}, FinishGated<T, 1>,
             op);
    }
  });
}

}  // namespace transept::kernels::cuda
