// Greedy choice on the GPU, and the tokens that never leave it.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/tensor.h"

namespace transept::kernels::cuda {

// A row's next token and its natural log-probability.
struct Choice {
  int32_t token;
  float logprob;
};

// Replaces every negative id -1 - slot of token_ids [count] by last_tokens[slot].
void ResolveTokens(int32_t* token_ids, int64_t count, const int32_t* last_tokens, Device& device);

// How many tokens a row may be denied.
inline constexpr int64_t kMaxBans = 8;

// For each of `rows` rows of float32 `logits`, where banned tokens become -infinity: choices[row]
// is the most likely token, the lowest id among equals, and last_tokens[slots[row]] becomes that
// token. NaN counts as -infinity; a row of nothing else chooses token 0 with log-probability
// -infinity.
struct GreedyChoice {
  Activations logits;
  int64_t rows = 0;
  const int32_t* bans = nullptr;   // [rows, kMaxBans] token ids; negative = none
  const int32_t* slots = nullptr;  // [rows]
  Choice* choices = nullptr;       // [rows]
  int32_t* last_tokens = nullptr;
};
void ChooseGreedy(const GreedyChoice& choice, Device& device);

}  // namespace transept::kernels::cuda
