// Encodes sources on a GPU beside what else it does.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <iterator>
#include <memory>

#include "absl/status/status.h"
#include "engine/model/model.h"
#include "engine/runner/device_inputs.h"
#include "engine/runner/device_results.h"
#include "engine/runner/launch_thread.h"
#include "engine/runner/step_inputs.h"
#include "engine/types/batch.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/executor.h"

namespace transept {

// Runs the encoder program on a stream of its own, beside the rows, for as many steps as it takes,
// and launches it from a thread of its own while there is something else to do: what the two
// threads share (inputs, states, executor) is the launching one's from Launch until that has been
// awaited. What the encoder program shares with the decoder's is read by both, but for the K/V
// pages; their blocks keep the two apart. Errors of CUDA go to `device`. Used by one thread.
class CudaEncoder {
 public:
  // `device`, whose stream the decoder runs on, and `model` must outlive this object.
  CudaEncoder(kernels::cuda::Device* device, const Model* model);
  ~CudaEncoder();

  CudaEncoder(const CudaEncoder&) = delete;
  CudaEncoder& operator=(const CudaEncoder&) = delete;

  // See kernels::cuda::Executor.
  void set_measuring(bool measuring) { executor_.set_measuring(measuring); }

  // Encodes plan.encode, and writes to its blocks once `pages_free` has happened. That may be
  // recorded again before the launch has come to it, which then waits for longer; HoldBack must
  // come first where its stream records it. Of two that were launched, the first must be taken
  // before the next. INTERNAL for more tokens than there are buffers for: then nothing is launched.
  // `alone`: the calling thread has nothing else to do meanwhile, and launches by itself. The other
  // takes a moment to wake.
  absl::Status Launch(const StepPlan& plan, cudaEvent_t pages_free, bool alone);
  // What `stream` does from here on waits for all that was launched.
  void HoldBack(cudaStream_t stream);
  // Names the oldest that was not taken in `result`, with what is of it, if it has ended.
  void Take(StepResult* result);
  // Waits for what was launched; it is not taken any more.
  void Abandon();

 private:
  struct Batch {
    uint64_t step = 0;
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
  };
  Batch& BatchAt(uint64_t index) { return batches_[index % std::size(batches_)]; }

  const Model& model_;
  const std::unique_ptr<kernels::cuda::Device> device_;
  kernels::cuda::Executor executor_;
  StepInputs inputs_;
  DeviceInputs device_inputs_;
  DeviceStates states_;
  Batch batches_[2];
  uint64_t launched_ = 0;
  uint64_t taken_ = 0;
  LaunchThread thread_;  // last: uses all of the above
};

}  // namespace transept
