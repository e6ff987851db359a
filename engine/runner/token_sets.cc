#include "engine/runner/token_sets.h"

#include <algorithm>

#include "engine/runner/device_choice.h"
#include "kernels/cuda/choice.h"

namespace transept {

using kernels::cuda::kTokenSets;
using kernels::cuda::TokenSet;

TokenSets::TokenSets(kernels::cuda::Device* device, int64_t slots, int64_t vocab_size)
    : device_(*device), slots_(slots), vocab_size_(vocab_size), words_((vocab_size + 31) / 32) {
  const size_t bytes = slots_ * kTokenSets * words_ * sizeof(uint32_t);
  device_.Check(cudaMalloc(&masks_, bytes), "allocating sets of tokens");
  device_.Check(cudaMallocHost(&host_, 2 * bytes), "allocating sets of tokens");
}

TokenSets::~TokenSets() {
  cudaFreeHost(host_);
  cudaFree(masks_);
}

void TokenSets::Send(int32_t slot, const DecodeParams& params, absl::Span<const TokenId> source) {
  for (const TokenSet set :
       {TokenSet::kEos, TokenSet::kSuppressed, TokenSet::kBeginSuppressed, TokenSet::kSource}) {
    const absl::Span<const TokenId> tokens = TokensOf(params, source, set);
    if (tokens.empty() || !device_.ok()) continue;
    const int64_t at = (slot * kTokenSets + static_cast<int64_t>(set)) * words_;
    uint32_t* const words = host_ + step_ * slots_ * kTokenSets * words_ + at;
    std::fill_n(words, words_, 0);
    for (const TokenId token : tokens) {
      if (token < vocab_size_) words[token / 32] |= 1u << (token % 32);
    }
    device_.Check(cudaMemcpyAsync(masks_ + at, words, words_ * sizeof(uint32_t),
                                  cudaMemcpyHostToDevice, device_.stream()),
                  "sending a set of tokens");
  }
}

}  // namespace transept
