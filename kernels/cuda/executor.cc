#include "kernels/cuda/executor.h"

#include "kernels/cuda/logits.h"
#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {

Executor::Executor(Device* device)
    : resources_{.device = *device, .blas = Blas(device), .biases = BiasTables(device)} {
  for (RowSums*& sums : resources_.sums) {
    const size_t bytes = kMaxSkinnyRows * kMaxParts * sizeof(RowSums);
    device->Check(cudaMalloc(&sums, bytes), "allocating the sums of norms");
    // Rows are copied as a whole, with what nobody writes to align them.
    if (sums) device->Check(cudaMemsetAsync(sums, 0, bytes, device->stream()), "clearing");
  }
  device->Check(cudaMalloc(&resources_.partial_sums, kMaxPartialSums * sizeof(float)),
                "allocating partial sums");
  device->Check(cudaMalloc(&resources_.logit_summaries, LogitSummaryBytes(*device)),
                "allocating summaries of logits");
}

Executor::~Executor() {
  cudaFree(resources_.logit_summaries);
  cudaFree(resources_.partial_sums);
  for (RowSums* sums : resources_.sums) cudaFree(sums);
}

void Executor::Prepare(const Program& program) {
  Plan& plan = plans_[&program];
  plan.operations = PlanFusion(program, resources_.device.multiprocessors());
  plan.constants = std::make_unique<PlanConstants>(&plan.operations, &resources_.device);
  plan.prefetch = std::make_unique<WeightPrefetch>(
      PlanPrefetch(program, resources_.device.multiprocessors()), &resources_.device);
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

void Executor::Run(const Program& program, const DecoderInputs& inputs, TokenChoice* choice) {
  if (choice) choice->summaries = nullptr;
  if (observer_ == nullptr && IsPersistent(program, inputs)) {
    plans_.at(&program).persistent->Run(inputs);
  } else {
    Run(program, Step(inputs, choice));
  }
}

void Executor::Run(const Program& program, const Step& step) {
  const Plan& plan = plans_.at(&program);
  const bool prefetches =
      prefetching_ && observer_ == nullptr && plan.prefetch->Serves(step.num_tokens);
  for (const PlannedOperation& planned : plan.operations) {
    if (step.num_tokens <= planned.absorbed_rows) continue;
    if (observer_) observer_->Begin(*planned.operation);
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { cuda::Run(op, step, resources_, planned); }) {
            cuda::Run(op, step, resources_, planned);
          } else {
            cuda::Run(op, step, resources_);
          }
        },
        *planned.operation);
    if (observer_) observer_->End(*planned.operation);
    if (prefetches) plan.prefetch->Behind(*planned.operation);
  }
  if (prefetches) plan.prefetch->Join();
}

}  // namespace transept::kernels::cuda
