#include "kernels/cpu/executor.h"

#include "kernels/cpu/operations.h"
#include "kernels/cpu/reference.h"

namespace transept::kernels::cpu {

namespace {

template <typename Op>
void RunOperation(const Op& op, const Step& step, Resources& resources) {
  if constexpr (requires { op.kernel; }) {
    if (op.kernel == AttentionKernel::kReference) return reference::Run(op, step);
  }
  Run(op, step, resources);
}

}  // namespace

void Executor::Run(const Program& program, const Step& step) {
  for (const Operation& operation : program.operations) {
    if (observer_) observer_->Begin(operation);
    std::visit([&](const auto& op) { RunOperation(op, step, resources_); }, operation);
    if (observer_) observer_->End(operation);
  }
}

}  // namespace transept::kernels::cpu
