// What rows compare their tokens with, on the GPU: sequences that are biased or banned, the source.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "engine/types/generation.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/select.h"

namespace transept {

// Pinned host memory is used in turn by two steps: before the next but one begins, the copies of
// this one must have ended. Not thread-safe.
class RowRules {
 public:
  // For as many rows as `slots`. `device` must outlive this object; errors go to it.
  RowRules(kernels::cuda::Device* device, int64_t slots, int64_t max_source_tokens);
  ~RowRules();

  RowRules(const RowRules&) = delete;
  RowRules& operator=(const RowRules&) = delete;

  void BeginStep() { step_ = 1 - step_; }
  // Sends what `params` need on the device's stream, for a row that starts at `slot`; once a step
  // and slot.
  void Send(int32_t slot, const DecodeParams& params, absl::Span<const TokenId> source);

  // Says where it is on the device. What was not sent is undefined.
  void AddTo(kernels::cuda::RowSlots* slots) const;

 private:
  kernels::cuda::Device& device_;
  const int64_t slots_;
  const int64_t source_stride_;
  kernels::cuda::SequenceRules* sequences_ = nullptr;       // device [slots]
  int32_t* sources_ = nullptr;                              // device [slots, source_stride]
  kernels::cuda::SequenceRules* host_sequences_ = nullptr;  // pinned [2, slots]
  int32_t* host_sources_ = nullptr;                         // pinned [2, slots, source_stride]
  int step_ = 0;
};

}  // namespace transept
