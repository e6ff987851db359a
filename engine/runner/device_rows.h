// What decoder rows have on the GPU, and where it leaves what they choose.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/types/batch.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/select.h"

namespace transept {

// Owns what rows keep from step to step. Pinned host memory is used in turn by two steps: before
// the next but one begins, the copies of this one must have ended. Not thread-safe.
class DeviceRows {
 public:
  // For `rows` rows, and one slot more for filling rows. `device` must outlive this object; errors
  // go to it.
  DeviceRows(kernels::cuda::Device* device, int64_t rows, int64_t history_stride);
  ~DeviceRows();

  DeviceRows(const DeviceRows&) = delete;
  DeviceRows& operator=(const DeviceRows&) = delete;

  void BeginStep() { step_ = 1 - step_; }
  // Sends, on the device's stream, the tokens in front of what a row that starts at `slot` is fed;
  // once a step and slot.
  void Send(int32_t slot, absl::Span<const TokenId> history);

  // Without token sets.
  const kernels::cuda::RowSlots& slots() const { return slots_; }

 private:
  kernels::cuda::Device& device_;
  const int64_t rows_;
  kernels::cuda::RowSlots slots_;
  int32_t* host_history_ = nullptr;  // pinned [2, rows, history_stride]
  int step_ = 0;
};

// What the rows of a step choose. The device writes it to pinned host memory, which steps use in
// turn: before the next but one begins, this one must have ended. Not thread-safe.
class RowResults {
 public:
  // Room for two steps of `rows` rows. `device` must outlive this object; errors go to it.
  RowResults(kernels::cuda::Device* device, int64_t rows);
  ~RowResults();

  RowResults(const RowResults&) = delete;
  RowResults& operator=(const RowResults&) = delete;

  // Sets where the rows' choices go, the same for all steps.
  void AddTo(kernels::cuda::TokenChoice* choice) const;

  // The runs of step `step` follow.
  void BeginStep(uint64_t step);
  // Gives the first `count` rows of a run, and their requests, their places; the others, which fill
  // up, share one that nobody reads.
  void Place(size_t count, absl::Span<kernels::cuda::RowChoice> rows);
  // Once step `step` has ended.
  void Report(uint64_t step, StepResult* result) const;

 private:
  // Of a request's continuations, at most so many for each of its rows: it has two rows or more.
  static constexpr int32_t kMaxContinuationsEach = kernels::cuda::kMaxContinuations / 2;

  struct Step {
    std::vector<int32_t> top_tokens;     // alternatives to report, of each row
    std::vector<bool> in_search;         // of each row: it chooses nothing alone
    std::vector<int32_t> continuations;  // to report, of each request in beam search
    int32_t num_continuations = 0;       // of them all
  };

  const int64_t rows_;
  kernels::cuda::ScoredToken* chosen_ = nullptr;          // [2 * rows + 1]
  kernels::cuda::ScoredToken* top_ = nullptr;             // [2 * rows + 1, kMaxTopTokens]
  kernels::cuda::Continuation* continuations_ = nullptr;  // [2 * rows * kMaxContinuationsEach]
  Step steps_[2];
  int64_t current_ = 0;  // of the steps
};

}  // namespace transept
