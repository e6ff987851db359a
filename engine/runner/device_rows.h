// What decoder rows have on the GPU, and the way of what they choose from there to the host.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/types/batch.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/select.h"

namespace transept {

// What the rows of one run choose, in device memory (kernels::cuda::TokenChoice).
struct DeviceChoices {
  kernels::cuda::ScoredToken* chosen = nullptr;          // [rows]
  kernels::cuda::ScoredToken* top = nullptr;             // [rows, kMaxTopTokens]
  kernels::cuda::Continuation* continuations = nullptr;  // [rows * kMaxContinuationsEach]
};

// Of a request's continuations, at most so many for each of its rows: it has two rows or more.
inline constexpr int32_t kMaxContinuationsEach = kernels::cuda::kMaxContinuations / 2;

// Owns that memory, and what rows keep from step to step.
class DeviceRows {
 public:
  // For `rows` rows, and one slot more for filling rows. `device` must outlive this object; errors
  // go to it.
  DeviceRows(kernels::cuda::Device* device, int64_t rows, int64_t history_stride);
  ~DeviceRows();

  DeviceRows(const DeviceRows&) = delete;
  DeviceRows& operator=(const DeviceRows&) = delete;

  // Without token sets.
  const kernels::cuda::RowSlots& slots() const { return slots_; }
  const DeviceChoices& choices() const { return choices_; }

 private:
  kernels::cuda::RowSlots slots_;
  DeviceChoices choices_;
};

// What the rows of one step chose, in pinned host memory.
class StepChoices {
 public:
  // Room for `rows` rows. `device` must outlive this object; errors go to it.
  StepChoices(kernels::cuda::Device* device, int64_t rows);
  ~StepChoices();

  StepChoices(const StepChoices&) = delete;
  StepChoices& operator=(const StepChoices&) = delete;

  // A step's runs follow.
  void Clear();
  // Puts copies of what a run's rows chose on the device's stream.
  void Fetch(const DeviceChoices& from, absl::Span<const kernels::cuda::RowChoice> rows);
  // Once the copies have ended.
  void Report(StepResult* result) const;

 private:
  kernels::cuda::Device& device_;
  std::vector<int32_t> top_tokens_;     // alternatives to report, of each row not in beam search
  std::vector<int32_t> continuations_;  // to report, of each request in beam search
  int64_t num_continuations_ = 0;       // of them all
  DeviceChoices host_;
};

}  // namespace transept
