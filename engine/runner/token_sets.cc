#include "engine/runner/token_sets.h"

#include <algorithm>

#include "engine/runner/device_choice.h"
#include "kernels/cuda/choice.h"

namespace transept {

using kernels::cuda::kTokenSets;
using kernels::cuda::MaskJob;
using kernels::cuda::TokenSet;

TokenSets::TokenSets(kernels::cuda::Device* device, int64_t slots, int64_t vocab_size)
    : device_(*device), slots_(slots), vocab_size_(vocab_size), words_((vocab_size + 31) / 32) {
  const size_t sets = slots_ * kTokenSets;
  const size_t bytes = sets * words_ * sizeof(uint32_t);
  device_.Check(cudaMalloc(&masks_, bytes), "allocating sets of tokens");
  device_.Check(cudaMallocHost(&data_, 2 * bytes), "allocating sets of tokens");
  device_.Check(cudaMallocHost(&jobs_, 2 * sets * sizeof(MaskJob)), "allocating sets of tokens");
}

TokenSets::~TokenSets() {
  cudaFreeHost(jobs_);
  cudaFreeHost(data_);
  cudaFree(masks_);
}

void TokenSets::BeginStep() {
  step_ = 1 - step_;
  used_ = sent_ = added_ = 0;
}

void TokenSets::Add(int32_t slot, const DecodeParams& params, absl::Span<const TokenId> source) {
  if (!device_.ok()) return;
  for (const TokenSet set :
       {TokenSet::kEos, TokenSet::kSuppressed, TokenSet::kBeginSuppressed, TokenSet::kSource}) {
    const absl::Span<const TokenId> tokens = TokensOf(params, source, set);
    if (tokens.empty()) continue;
    // As a list, or as its mask if that takes less room.
    const bool listed = static_cast<int64_t>(tokens.size()) <= words_;
    uint32_t* const to = data() + used_;
    int64_t count = 0;
    if (!listed) std::fill_n(to, words_, 0);
    for (const TokenId token : tokens) {
      if (token >= vocab_size_) continue;
      if (listed) {
        to[count++] = token;
      } else {
        to[token / 32] |= 1u << (token % 32);
      }
    }
    jobs()[added_++] = {.mask = slot * kTokenSets + static_cast<int64_t>(set),
                        .first = used_,
                        .count = listed ? count : -1};
    used_ += listed ? count : words_;
  }
}

void TokenSets::Send() {
  kernels::cuda::WriteTokenMasks({.masks = masks_,
                                  .words = words_,
                                  .jobs = jobs() + sent_,
                                  .num_jobs = added_ - sent_,
                                  .data = data()},
                                 device_);
  sent_ = added_;
}

}  // namespace transept
