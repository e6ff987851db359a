#include "tests/bench/operation_timer.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/host_limits.h"
#include "engine/model/model.h"
#include "engine/types/clock.h"
#include "kernels/cpu/executor.h"
#include "kernels/cpu/host_memory.h"
#include "kernels/cpu/thread_pool.h"

namespace transept::bench {
namespace {

struct Namer {
  std::string operator()(const kernels::EmbedOp&) const { return "embed"; }
  std::string operator()(const kernels::NormOp&) const { return "norm"; }
  std::string operator()(const kernels::LinearOp& op) const {
    return absl::StrCat("linear ", Shape(op.weight), op.residual.data ? " + residual" : "");
  }
  std::string operator()(const kernels::GatedLinearOp& op) const {
    return absl::StrCat("gated linear ", Shape(op.weight));
  }
  std::string operator()(const kernels::EncoderAttentionOp&) const { return "encoder attention"; }
  std::string operator()(const kernels::SelfAttentionOp&) const { return "self attention"; }
  std::string operator()(const kernels::CrossAttentionOp&) const { return "cross attention"; }
  std::string operator()(const kernels::ProjectCrossKvOp& op) const {
    return absl::StrCat("project cross K/V ", Shape(op.weight));
  }
  std::string operator()(const kernels::GatherRowsOp&) const { return "gather rows"; }

  static std::string Shape(const kernels::Matrix& weight) {
    return absl::StrCat(weight.rows, "x", weight.cols);
  }
};

class ClockObserver final : public kernels::Observer {
 public:
  void Begin(const kernels::Operation&) override { begin_ = Clock::now(); }
  void End(const kernels::Operation& operation) override {
    const double milliseconds = Milliseconds(Clock::now() - begin_);
    times_.push_back({NameOf(operation), milliseconds * 1e3});
  }
  std::vector<OperationTime> Take() { return std::exchange(times_, {}); }

 private:
  TimePoint begin_;
  std::vector<OperationTime> times_;
};

class CpuOperationTimer final : public OperationTimer {
 public:
  static absl::StatusOr<std::unique_ptr<OperationTimer>> Make(const EngineOptions& options,
                                                              const Checkpoint& checkpoint) {
    auto memory = std::make_unique<kernels::cpu::HostMemory>(AvailableMemory());
    absl::StatusOr<std::unique_ptr<Model>> model =
        Model::Load(checkpoint, options.model, memory.get());
    if (!model.ok()) return model.status();
    return std::unique_ptr<OperationTimer>(
        new CpuOperationTimer(std::move(memory), *std::move(model), options.threads));
  }

  absl::StatusOr<std::vector<OperationTime>> Encode(const StepInputs& inputs) override {
    executor_.Run(model_->encoder(), inputs.encoder());
    return observer_.Take();
  }
  absl::StatusOr<std::vector<OperationTime>> Decode(const StepInputs& inputs) override {
    executor_.Run(model_->decoder(), inputs.decoder());
    return observer_.Take();
  }

 private:
  CpuOperationTimer(std::unique_ptr<kernels::Memory> memory, std::unique_ptr<Model> model,
                    int threads)
      : memory_(std::move(memory)), model_(std::move(model)), pool_(threads), executor_(&pool_) {
    executor_.set_observer(&observer_);
  }

  const std::unique_ptr<kernels::Memory> memory_;
  const std::unique_ptr<Model> model_;
  kernels::cpu::ThreadPool pool_;
  ClockObserver observer_;
  kernels::cpu::Executor executor_;
};

}  // namespace

std::string NameOf(const kernels::Operation& operation) {
  return std::visit(Namer(), operation);
}

absl::StatusOr<std::unique_ptr<OperationTimer>> MakeOperationTimer(const EngineOptions& options,
                                                                   const Checkpoint& checkpoint) {
  switch (options.model.device) {
    case Device::kCpu: return CpuOperationTimer::Make(options, checkpoint);
    case Device::kCuda: return MakeCudaOperationTimer(options, checkpoint);
  }
  return absl::InternalError("there is no such device");
}

}  // namespace transept::bench
