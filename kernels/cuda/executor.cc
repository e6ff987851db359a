#include "kernels/cuda/executor.h"

#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {

Executor::Executor(Device* device)
    : resources_{.device = *device, .blas = Blas(device), .biases = BiasTables(device)} {
  device->Check(cudaMalloc(&resources_.squares, kMaxSkinnyRows * kMaxParts * sizeof(float)),
                "allocating sums of squares");
}

Executor::~Executor() {
  cudaFree(resources_.squares);
}

void Executor::Prepare(const Program& program) {
  Plan& plan = plans_[&program];
  plan.operations = PlanFusion(program);
  for (const Operation& operation : program.operations) {
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { op.bias.table; }) {
            resources_.biases.Prepare(op.bias, op.shape.num_heads);
          }
        },
        operation);
  }
  plan.persistent = PersistentDecoder::Create(program, resources_.biases, &resources_.device);
}

void Executor::Run(const Program& program, const DecoderInputs& inputs) {
  PersistentDecoder* const persistent = plans_.at(&program).persistent.get();
  if (persistent && observer_ == nullptr && PersistentDecoder::Serves(inputs)) {
    persistent->Run(inputs);
  } else {
    Run(program, Step(inputs));
  }
}

void Executor::Run(const Program& program, const Step& step) {
  const bool fused = step.num_tokens <= kMaxSkinnyRows;
  for (const PlannedOperation& planned : plans_.at(&program).operations) {
    if (fused && planned.absorbed) continue;
    if (observer_) observer_->Begin(*planned.operation);
    const NormNeighbours norms = fused ? planned.norms : NormNeighbours{};
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { cuda::Run(op, step, resources_, norms); }) {
            cuda::Run(op, step, resources_, norms);
          } else {
            cuda::Run(op, step, resources_);
          }
        },
        *planned.operation);
    if (observer_) observer_->End(*planned.operation);
  }
}

}  // namespace transept::kernels::cuda
