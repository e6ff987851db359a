// The sets of tokens that processors look at as a whole, on the GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "engine/types/generation.h"
#include "kernels/cuda/choice.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/token_masks.h"

namespace transept {

// A set is a bit mask there, so that it may have any size (kernels::cuda::RowSlots), and mostly a
// few tokens here. Pinned host memory is used in turn by two steps: before the next but one begins,
// the copies of this one must have ended. Not thread-safe.
class TokenSets {
 public:
  // For as many rows as `slots`. `device` must outlive this object; errors go to it.
  TokenSets(kernels::cuda::Device* device, int64_t slots, int64_t vocab_size);
  ~TokenSets();

  TokenSets(const TokenSets&) = delete;
  TokenSets& operator=(const TokenSets&) = delete;

  void BeginStep();
  // Takes up the sets that `params` and the row's source have, for a row that starts at `slot`;
  // once a step and slot. Tokens beyond the vocabulary are left out.
  void Add(int32_t slot, const DecodeParams& params, absl::Span<const TokenId> source);
  // Sends those taken up since the last call, on the device's stream.
  void Send();

  // In device memory [slots, kTokenSets, words]; a set that was not sent is undefined.
  const uint32_t* masks() const { return masks_; }
  int64_t words() const { return words_; }

 private:
  // A step's half of the pinned memory.
  uint32_t* data() { return data_ + step_ * slots_ * kernels::cuda::kTokenSets * words_; }
  kernels::cuda::MaskJob* jobs() { return jobs_ + step_ * slots_ * kernels::cuda::kTokenSets; }

  kernels::cuda::Device& device_;
  const int64_t slots_;
  const int64_t vocab_size_;
  const int64_t words_;                     // of a set
  uint32_t* masks_ = nullptr;               // device
  uint32_t* data_ = nullptr;                // pinned [2, slots, kTokenSets, words]
  kernels::cuda::MaskJob* jobs_ = nullptr;  // pinned [2, slots, kTokenSets]
  int step_ = 0;
  int64_t used_ = 0;  // of data()
  int64_t sent_ = 0;  // jobs of the step
  int64_t added_ = 0;
};

}  // namespace transept
