#include "kernels/cuda/executor.h"

namespace transept::kernels::cuda {

void Executor::Prepare(const Program& program) {
  for (const Operation& operation : program.operations) {
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { op.bias.table; }) {
            resources_.biases.Prepare(op.bias, op.shape.num_heads);
          }
        },
        operation);
  }
}

void Executor::Run(const Program& program, const Step& step) {
  for (const Operation& operation : program.operations) {
    if (observer_) observer_->Begin(operation);
    std::visit([&](const auto& op) { cuda::Run(op, step, resources_); }, operation);
    if (observer_) observer_->End(operation);
  }
}

}  // namespace transept::kernels::cuda
