// Linear layers: the kernel of few rows where it serves, cuBLASLt and perhaps a pass over its
// result elsewhere.
#include <type_traits>

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/logits.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Grid: (rows, columns / (kThreads * kPack)). out = activation(out + bias).
template <typename T, int kPack>
__global__ void __launch_bounds__(kThreads) FinishLinear(const LinearOp op) {
  using P = Pack<T, kPack>;
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x) * kPack;
  const bool inside = column < op.out.width;
  LetSuccessorStart();
  float bias[kPack] = {};
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    if (inside && op.bias.data) bias[i] = op.bias.data[column + i];
  }
  WaitForPredecessor();
  if (!inside) return;
  T* const out = static_cast<T*>(op.out.data) + blockIdx.x * op.out.stride + column;
  P pack = *reinterpret_cast<const P*>(out);
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    pack.element[i] = FromFloat<T>(Activate(op.activation, Saturated(pack.element[i]) + bias[i]));
  }
  *reinterpret_cast<P*>(out) = pack;
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
bool ProductFinishes(const LinearOp& op, const void* half_bias) {
  if (op.activation == ActivationFunction::kNone && op.bias.data == nullptr) return true;
  if (op.activation != ActivationFunction::kNone && op.activation != ActivationFunction::kRelu) {
    return false;
  }
  return op.out.dtype == DataType::kFloat32 ||
         (op.out.dtype == DataType::kBFloat16 && (op.bias.data == nullptr || half_bias));
}

// Calls fn with the number of elements to take at once, as a type.
template <typename T, typename Fn>
void DispatchPack(const Activations& out, Fn fn) {
  constexpr int kPack = kWidest<T>;
  if (out.width % kPack == 0 && out.stride % kPack == 0) {
    fn(std::integral_constant<int, kPack>{});
  } else {
    fn(std::integral_constant<int, 1>{});
  }
}

dim3 GridFor(int64_t rows, int64_t width) {
  return dim3(static_cast<unsigned>(rows),
              static_cast<unsigned>((width + kThreads - 1) / kThreads));
}

bool HasNorms(const NormNeighbours& norms, int64_t rows) {
  return norms.before.Splits(rows) || norms.after.Splits(rows) || norms.residual.Splits(rows);
}

// Whether the kernel of few rows takes a product. PlanFusion gives norms to those alone that it
// supports: others would leave them out.
bool IsFew(const FusedProduct& product, const NormNeighbours& norms, Resources& resources) {
  const bool few = SkinnySupports(product) &&
                   product.rows <= FewRowsOf(product, resources.device.multiprocessors());
  if (!HasNorms(norms, product.rows)) return few;
  return resources.device.Check(few ? cudaSuccess : cudaErrorNotSupported,
                                "a norm around a large product");
}

// How many parts of its depth a product should be computed in, so that it fills the GPU and its
// blocks are done sooner: several if a norm runs next, whose kernel adds them up at little cost.
int32_t PartsOf(const LinearOp& op, const NormNeighbours& norms, int64_t rows,
                const Resources& resources) {
  constexpr int64_t kTile = 64, kDeep = 2;
  const int64_t width = op.weight.rows, depth = op.weight.cols;
  const bool joins = norms.after.norm && !norms.after.Splits(rows) &&
                     op.residual.data == op.out.data &&
                     op.activation == ActivationFunction::kNone && CanAddParts(*norms.after.norm) &&
                     reinterpret_cast<uintptr_t>(op.bias.data) % 16 == 0;
  if (!joins || width % 4 != 0 || depth < kDeep * width) return 1;
  const int64_t tiles = (rows + kTile - 1) / kTile * ((width + kTile - 1) / kTile);
  int32_t parts = kMaxNormParts;
  while (parts > 1 && (parts * tiles > 2 * resources.device.multiprocessors() ||
                       depth % (parts * kTile) != 0 || parts * rows * width > kMaxPartialSums)) {
    parts /= 2;
  }
  return parts;
}

// Leaves the product to the norm behind it, in `parts` parts.
void RunInParts(const LinearOp& op, int32_t parts, int64_t rows, Resources& resources) {
  const int64_t width = op.weight.rows;
  resources.blas.Run(
      {.weight = op.weight,
       .in = op.in,
       .out = {resources.partial_sums, DataType::kFloat32, width, width, op.out.extent},
       .rows = rows,
       .parts = parts});
  resources.left = {.sums = resources.partial_sums, .parts = parts, .bias = op.bias.data};
}

// Takes over the halves of the norms around a product of few rows, and runs it.
void RunFew(FusedProduct product, const NormNeighbours& norms, Resources& resources) {
  const auto split = [&](const NeighbourNorm& neighbour) {
    if (!neighbour.Splits(product.rows)) return SplitNorm{};
    return SplitOf(*neighbour.norm, resources.sums[neighbour.slot],
                   resources.parts[neighbour.slot]);
  };
  product.norm_before = split(norms.before);
  product.norm_residual = split(norms.residual);
  if (norms.before.Splits(product.rows)) product.folded = norms.folded;
  if (norms.after.Splits(product.rows)) {
    resources.parts[norms.after.slot] = SkinnyParts(product, resources.device);
    product.norm_after = split(norms.after);
  }
  RunSkinny(product, resources.device);
}

}  // namespace

void Run(const LinearOp& op, const Step& step, Resources& resources,
         const PlannedOperation& planned) {
  const NormNeighbours& norms = planned.norms;
  const int64_t rows = step.Rows(op.in.extent);
  if (step.choice && step.choice->logits.data == op.out.data && !HasNorms(norms, rows) &&
      MakesLogits(op, rows, resources.device)) {
    return MakeLogits(op, resources.logit_summaries, step.choice, resources.device);
  }
  const FusedProduct few = ProductOf(op, rows);
  if (IsFew(few, norms, resources)) return RunFew(few, norms, resources);
  if (!resources.device.ok()) return;

  if (const int32_t parts = PartsOf(op, norms, rows, resources); parts > 1) {
    return RunInParts(op, parts, rows, resources);
  }
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
  const bool finished = ProductFinishes(op, planned.half_bias);
  if (finished) {
    product.bias = op.out.dtype == DataType::kFloat32 ? op.bias.data : planned.half_bias;
    product.bias_padded = op.bias.padded;
    product.relu = op.activation == ActivationFunction::kRelu;
  }
  resources.blas.Run(product);
  if (finished) return;
  DispatchElement(op.out.dtype, [&](auto element) {
    using T = decltype(element);
    DispatchPack<T>(op.out, [&](auto pack) {
      Launch(resources.device, "finishing a linear layer",
             {GridFor(rows, op.out.width / pack), kThreads}, FinishLinear<T, pack>, op);
    });
  });
}

void Run(const GatedLinearOp& op, const Step& step, Resources& resources,
         const PlannedOperation& planned) {
  const int64_t rows = step.Rows(op.in.extent);
  const FusedProduct few = ProductOf(op, rows);
  if (IsFew(few, planned.norms, resources)) return RunFew(few, planned.norms, resources);
  if (!resources.device.ok()) return;
  resources.blas.Run({.weight = op.weight, .in = op.in, .out = op.scratch, .rows = rows});
  DispatchElement(op.out.dtype, [&](auto element) {
    using T = decltype(element);
    DispatchPack<T>(op.out, [&](auto pack) {
      Launch(resources.device, "gating", {GridFor(rows, op.out.width / pack), kThreads},
             FinishGated<T, pack>, op);
    });
  });
}

}  // namespace transept::kernels::cuda
