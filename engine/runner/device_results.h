// What a step gives besides the tokens that its rows choose, on the GPU: token_results.h.
//
// Both classes work on their device's stream, behind the program that a run was of, and send errors
// to the device. Pinned host memory is used in turn by two steps, or runs of the encoder: before
// the next but one begins, this one's work must have ended. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/model/model.h"
#include "engine/runner/device_inputs.h"
#include "engine/runner/token_results.h"
#include "engine/types/batch.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/executor.h"

namespace transept {

// The encoder states that the items of a run of the encoder ask for.
class DeviceStates {
 public:
  // All of them must outlive this object.
  DeviceStates(kernels::cuda::Device* device, const Model* model, DeviceInputs* inputs);
  ~DeviceStates();

  DeviceStates(const DeviceStates&) = delete;
  DeviceStates& operator=(const DeviceStates&) = delete;

  // Run `run` follows.
  void BeginRun(uint64_t run);
  // Behind the encoder program.
  void Pool(StateRows rows);
  // What run `run` came to, whose work has ended.
  void Take(uint64_t run, StepResult* result) const;

 private:
  struct Fetched {
    float* states = nullptr;     // pinned [max_encoder_tokens, d_model]
    std::vector<size_t> counts;  // rows of each item
  };

  kernels::cuda::Device& device_;
  const Model& model_;
  DeviceInputs& inputs_;
  Fetched runs_[2];
  Fetched* current_ = runs_;
};

// The log-probabilities of a step's targets.
class DeviceScores {
 public:
  // All of them must outlive this object. `executor` has prepared model->head().
  DeviceScores(kernels::cuda::Device* device, const Model* model, kernels::cuda::Executor* executor,
               DeviceInputs* inputs);
  ~DeviceScores();

  DeviceScores(const DeviceScores&) = delete;
  DeviceScores& operator=(const DeviceScores&) = delete;

  // Step `step` follows.
  void BeginStep(uint64_t step);
  // Of the rows `range`. Behind the decoder program; overwrites the logits.
  void Score(const StepPlan& plan, RowRange range);
  // What step `step` came to, whose work has ended.
  void Take(uint64_t step, StepResult* result) const;

 private:
  struct Fetched {
    float* logprobs = nullptr;   // pinned [max_tokens_]
    std::vector<size_t> counts;  // tokens of each row with targets
  };

  kernels::cuda::Device& device_;
  const Model& model_;
  kernels::cuda::Executor& executor_;
  DeviceInputs& inputs_;
  const size_t max_tokens_;    // in one step
  float* logprobs_ = nullptr;  // device [max_decoder_tokens]
  Fetched steps_[2];
  Fetched* current_ = steps_;
};

}  // namespace transept
