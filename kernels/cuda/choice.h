// What choosing tokens on the GPU takes and gives, as plain data: nothing here needs CUDA.
#pragma once

#include <cstdint>

namespace transept::kernels::cuda {

// Sets of tokens that rows keep on the device, for the processors that ban them.
enum class TokenSet : uint8_t { kEos, kSuppressed, kBeginSuppressed };
inline constexpr int64_t kTokenSets = 3;

constexpr uint32_t BitOf(TokenSet set) {
  return 1u << static_cast<int>(set);
}

// Most alternatives that are reported with a token.
inline constexpr int32_t kMaxTopTokens = 20;

// Most rows of a request in beam search, and most continuations that it chooses in a step.
inline constexpr int32_t kMaxBeams = 16;
inline constexpr int32_t kMaxContinuations = 64;

// How one row chooses its next token in one step. The values say by themselves what is off; the
// defaults are the plain greedy choice. The processors' order is that of the members.
struct RowChoice {
  int32_t slot = 0;    // the row's place in RowSlots
  int32_t length = 1;  // tokens in its history

  float repetition_penalty = 1.0f;
  int32_t no_repeat_ngram_size = 0;  // 0 = off, else at most `length`
  int32_t forced_token = -1;         // negative = none; before what kSuppressed and the rest ban
  uint32_t banned_sets = 0;          // BitOf each set that is banned now

  int32_t top_tokens = 0;  // alternatives reported, at most kMaxTopTokens
  bool sample = false;     // else the most likely token, and nothing below matters
  float temperature = 1.0f;
  int32_t top_k = 0;  // 0 = off
  float top_p = 1.0f;
  float min_p = 0.0f;
  uint64_t seed = 0;        // of the draw, with `hypothesis` and `length`: SamplingUniform
  uint32_t hypothesis = 0;  // row number within the request

  // Rows of the request in beam search, all of them in the step and next to each other in the order
  // of `hypothesis`; 0 = not in beam search. Its kEos set must be on the device.
  int32_t beams = 0;
  int32_t beam_candidates = 0;     // continuations that the rows choose together
  int32_t first_continuation = 0;  // where the request's go
  float beam_score = 0.0f;         // with tokens that the host knows: the row's score
  // Whether the processors work on log-probabilities, else on logits; and whether what they leave
  // is normalised again.
  bool on_log_probs = false;
  bool renormalize = false;
};

// In beam search: a token behind the row `hypothesis` of its request, and the score that they have
// together.
struct Continuation {
  int32_t hypothesis;
  int32_t token;
  float score;
};

// A token with its natural log-probability; a negative token is none.
struct ScoredToken {
  int32_t token;
  float logprob;
};

}  // namespace transept::kernels::cuda
