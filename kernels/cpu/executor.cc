#include "kernels/cpu/executor.h"

#include "kernels/cpu/reference.h"

namespace transept::kernels::cpu {

void Executor::Run(const Program& program, const Step& step) {
  for (const Operation& operation : program.operations) {
    if (observer_) observer_->Begin(operation);
    std::visit([&](const auto& op) { reference::Run(op, step); }, operation);
    if (observer_) observer_->End(operation);
  }
}

}  // namespace transept::kernels::cpu
