// The time of each operation of a program, on the device that runs it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/engine_options.h"
#include "engine/runner/step_inputs.h"
#include "kernels/operation.h"

namespace transept::bench {

struct OperationTime {
  std::string name;
  double microseconds = 0;
};

// "linear 3072x1024": what the operation is, and its weight's [rows]x[cols].
std::string NameOf(const kernels::Operation& operation);

// A model of its own on one device. Not thread-safe.
class OperationTimer {
 public:
  virtual ~OperationTimer() = default;

  // Runs the program over what `inputs` built last, and returns the operations that ran, in order.
  virtual absl::StatusOr<std::vector<OperationTime>> Encode(const StepInputs& inputs) = 0;
  virtual absl::StatusOr<std::vector<OperationTime>> Decode(const StepInputs& inputs) = 0;
};

// On the device of options.model.
absl::StatusOr<std::unique_ptr<OperationTimer>> MakeOperationTimer(const EngineOptions& options,
                                                                   const Checkpoint& checkpoint);

// The time between one operation's end and the next one's on the GPU's stream. Kernels cannot
// overlap there as they do in a recorded graph: the sum is more than a step takes.
// FAILED_PRECONDITION without a usable GPU, and in builds without CUDA.
absl::StatusOr<std::unique_ptr<OperationTimer>> MakeCudaOperationTimer(
    const EngineOptions& options, const Checkpoint& checkpoint);

}  // namespace transept::bench
