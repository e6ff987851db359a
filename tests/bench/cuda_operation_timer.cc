#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/model/model.h"
#include "engine/runner/device_inputs.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/executor.h"
#include "tests/bench/operation_timer.h"

namespace transept::bench {
namespace {

using kernels::cuda::Device;

// More than any benchmarked step's arrays take.
constexpr size_t kInputBytes = size_t{16} << 20;
// Left for what is allocated after the model.
constexpr size_t kSpareBytes = size_t{256} << 20;

// Records an event behind each operation.
class EventObserver final : public kernels::Observer {
 public:
  EventObserver(Device* device, size_t most_operations)
      : device_(*device), events_(most_operations + 1) {
    for (cudaEvent_t& event : events_) device_.Check(cudaEventCreate(&event), "creating an event");
  }
  ~EventObserver() override {
    for (cudaEvent_t event : events_) cudaEventDestroy(event);
  }

  EventObserver(const EventObserver&) = delete;
  EventObserver& operator=(const EventObserver&) = delete;

  // A run follows. The stream sleeps meanwhile, so that it finds all launches there when it wakes,
  // and no operation's time is that of its launch.
  void BeginRun() {
    names_.clear();
    const auto sleep = [](void*) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
    device_.Check(cudaLaunchHostFunc(device_.stream(), sleep, nullptr), "delaying a run");
    Record();
  }
  void Begin(const kernels::Operation&) override {}
  void End(const kernels::Operation& operation) override {
    names_.push_back(NameOf(operation));
    Record();
  }

  // Waits for the run.
  std::vector<OperationTime> Take() {
    device_.Check(cudaStreamSynchronize(device_.stream()), "a timed run");
    std::vector<OperationTime> times;
    for (size_t i = 0; i < names_.size(); ++i) {
      float milliseconds = 0;
      device_.Check(cudaEventElapsedTime(&milliseconds, events_[i], events_[i + 1]),
                    "timing an operation");
      times.push_back({std::move(names_[i]), milliseconds * 1e3});
    }
    return times;
  }

 private:
  void Record() {
    device_.Check(cudaEventRecord(events_[names_.size()], device_.stream()), "recording an event");
  }

  Device& device_;
  std::vector<cudaEvent_t> events_;
  std::vector<std::string> names_;
};

class CudaOperationTimer final : public OperationTimer {
 public:
  CudaOperationTimer(std::unique_ptr<kernels::cuda::DeviceMemory> memory,
                     std::unique_ptr<Model> model)
      : memory_(std::move(memory)),
        model_(std::move(model)),
        device_(*memory_->device()),
        inputs_(&device_, kInputBytes, /*runs=*/1),
        observer_(&device_, std::max(model_->encoder().operations.size(),
                                     model_->decoder().operations.size())),
        executor_(&device_) {
    executor_.Prepare(model_->encoder());
    executor_.Prepare(model_->decoder());
  }

  absl::StatusOr<std::vector<OperationTime>> Encode(const StepInputs& inputs) override {
    inputs_.BeginStep();
    return Run(model_->encoder(), inputs_.Send(inputs.encoder()));
  }
  absl::StatusOr<std::vector<OperationTime>> Decode(const StepInputs& inputs) override {
    inputs_.BeginStep();
    return Run(model_->decoder(), inputs_.Send(inputs.decoder(), /*rows=*/{}).inputs);
  }

 private:
  template <typename Inputs>
  absl::StatusOr<std::vector<OperationTime>> Run(const kernels::Program& program,
                                                 const Inputs& inputs) {
    // Once unobserved: matrix products choose their algorithms, as a runner's do at its start.
    executor_.set_measuring(true);
    executor_.Run(program, inputs);
    executor_.set_measuring(false);
    executor_.set_observer(&observer_);
    observer_.BeginRun();
    executor_.Run(program, inputs);
    executor_.set_observer(nullptr);
    std::vector<OperationTime> times = observer_.Take();
    if (!device_.ok()) {
      return absl::UnavailableError(absl::StrCat("the GPU failed: ", device_.error()));
    }
    return times;
  }

  const std::unique_ptr<kernels::cuda::DeviceMemory> memory_;
  const std::unique_ptr<Model> model_;
  Device& device_;
  DeviceInputs inputs_;
  EventObserver observer_;
  kernels::cuda::Executor executor_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OperationTimer>> MakeCudaOperationTimer(
    const EngineOptions& options, const Checkpoint& checkpoint) {
  std::string error;
  std::unique_ptr<Device> device = Device::Open(&error);
  if (device == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("device: 'cuda' has no usable GPU: ", error));
  }
  const size_t free = device->AvailableMemory();
  auto memory = std::make_unique<kernels::cuda::DeviceMemory>(std::move(device),
                                                              free - std::min(free, kSpareBytes));
  absl::StatusOr<std::unique_ptr<Model>> model =
      Model::Load(checkpoint, options.model, memory.get());
  if (!model.ok()) return model.status();
  return std::make_unique<CudaOperationTimer>(std::move(memory), *std::move(model));
}

}  // namespace transept::bench
