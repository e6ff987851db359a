#include "kernels/cuda/plan_constants.h"

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// A linear layer of either kind.
struct Layer {
  Matrix weight;
  Vector bias;
  DataType out = DataType::kFloat32;
};
Layer LayerOf(const Operation& operation) {
  if (const auto* linear = std::get_if<LinearOp>(&operation)) {
    return {linear->weight, linear->bias, linear->out.dtype};
  }
  if (const auto* gated = std::get_if<GatedLinearOp>(&operation)) {
    return {gated->weight, {}, gated->out.dtype};
  }
  return {};
}

bool FoldsNorm(const PlannedOperation& planned) {
  return planned.norms.before.norm && planned.norms.before.norm->kind == NormKind::kLayer;
}
bool HalvesBias(const Layer& layer) {
  return layer.bias.data && layer.out == DataType::kBFloat16;
}

// Hands out a block of memory bit by bit; only counts while there is none.
class Cutter {
 public:
  explicit Cutter(void* memory) : memory_(static_cast<char*>(memory)) {}
  void* Take(int64_t bytes) {
    void* const taken = memory_ ? memory_ + used_ : nullptr;
    used_ += (bytes + 255) / 256 * 256;
    return taken;
  }
  int64_t used() const { return used_; }

 private:
  char* memory_;
  int64_t used_ = 0;
};

// Grid: features by warps. FoldedNorm of a layer norm in front of `layer`.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    FoldNorm(const NormOp norm, const Layer layer, float* columns, float* offsets) {
  WaitForPredecessor();
  const int64_t feature = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / 32;
  if (feature >= layer.weight.rows) return;
  const T* const row = static_cast<const T*>(layer.weight.data) + feature * layer.weight.cols;
  float column = 0.0f;
  float offset = 0.0f;
  for (int64_t i = threadIdx.x % 32; i < layer.weight.cols; i += 32) {
    column += ToFloat(row[i]) * norm.weight.data[i];
    if (norm.bias.data) offset += ToFloat(row[i]) * norm.bias.data[i];
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    column += __shfl_xor_sync(~0u, column, distance);
    offset += __shfl_xor_sync(~0u, offset, distance);
  }
  if (threadIdx.x % 32 > 0) return;
  columns[feature] = column;
  offsets[feature] = offset * norm.output_scale + (layer.bias.data ? layer.bias.data[feature] : 0);
}

// Grid: elements by threads.
__global__ void __launch_bounds__(kThreads)
    HalveBias(const float* bias, int64_t count, BFloat16* out) {
  WaitForPredecessor();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) out[i] = FromFloat<BFloat16>(bias[i]);
}

dim3 Blocks(int64_t threads) {
  return dim3(static_cast<unsigned>((threads + kThreads - 1) / kThreads));
}

// Gives the operation its constants, and has them worked out if there is memory.
void Prepare(Cutter& memory, PlannedOperation* planned, Device& device) {
  const Layer layer = LayerOf(*planned->operation);
  if (FoldsNorm(*planned)) {
    auto* const columns = static_cast<float*>(memory.Take(layer.weight.rows * sizeof(float)));
    auto* const offsets = static_cast<float*>(memory.Take(layer.weight.rows * sizeof(float)));
    planned->norms.folded = {columns, offsets};
    if (columns) {
      DispatchElement(layer.weight.dtype, [&](auto element) {
        Launch(device, "folding a norm", {Blocks(32 * layer.weight.rows), kThreads},
               FoldNorm<decltype(element)>, *planned->norms.before.norm, layer, columns, offsets);
      });
    }
  }
  if (HalvesBias(layer)) {
    const int64_t count = layer.bias.padded ? Padded(layer.bias.size) : layer.bias.size;
    auto* const half = static_cast<BFloat16*>(memory.Take(count * sizeof(BFloat16)));
    planned->half_bias = half;
    if (half) {
      Launch(device, "halving a bias", {Blocks(count), kThreads}, HalveBias, layer.bias.data, count,
             half);
    }
  }
}

}  // namespace

PlanConstants::PlanConstants(std::vector<PlannedOperation>* plan, Device* device) {
  Cutter counter(nullptr);
  for (PlannedOperation& planned : *plan) Prepare(counter, &planned, *device);
  if (counter.used() == 0) return;
  if (!device->Check(cudaMalloc(&memory_, counter.used()), "allocating a program's constants")) {
    return;
  }
  Cutter memory(memory_);
  for (PlannedOperation& planned : *plan) Prepare(memory, &planned, *device);
}

PlanConstants::~PlanConstants() {
  cudaFree(memory_);
}

}  // namespace transept::kernels::cuda
