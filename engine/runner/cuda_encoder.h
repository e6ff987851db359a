// Encodes sources on a GPU beside what else it does.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "engine/model/model.h"
#include "engine/runner/device_inputs.h"
#include "engine/runner/device_results.h"
#include "engine/runner/step_inputs.h"
#include "engine/types/batch.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/executor.h"

namespace transept {

// Runs the encoder program on a stream of its own, behind the kernels of rows that wait for their
// next token. What it shares with the decoder program is read by both, but for the K/V pages; their
// blocks keep the two apart. Errors of CUDA go to `device`. Not thread-safe.
class CudaEncoder {
 public:
  // `device`, whose stream the decoder runs on, and `model` must outlive this object.
  CudaEncoder(kernels::cuda::Device* device, const Model* model);
  ~CudaEncoder();

  // See kernels::cuda::Executor.
  void set_measuring(bool measuring) { executor_.set_measuring(measuring); }

  // Step `step` follows, whether it encodes or not.
  void BeginStep(uint64_t step) { states_.BeginStep(step); }
  // Encodes plan.encode once `begin` has happened, and records `encoded` behind it. Before the next
  // but one is launched, this one must have ended. INTERNAL for more tokens than there are buffers
  // for: then nothing is launched.
  absl::Status Launch(const StepPlan& plan, cudaEvent_t begin, cudaEvent_t encoded);
  // The states that step `step` was asked for. It must have ended.
  void TakeStates(uint64_t step, StepResult* result) const { states_.Take(step, result); }

 private:
  const Model& model_;
  const std::unique_ptr<kernels::cuda::Device> device_;
  kernels::cuda::Executor executor_;
  StepInputs inputs_;
  DeviceInputs device_inputs_;
  DeviceStates states_;
};

}  // namespace transept
