// What choosing tokens on the GPU takes and gives, as plain data: nothing here needs CUDA.
#pragma once

#include <cstdint>

namespace transept::kernels::cuda {

// Sets of tokens that rows keep on the device, for the processors of all of a set.
enum class TokenSet : uint8_t { kEos, kSuppressed, kBeginSuppressed, kSource };
inline constexpr int64_t kTokenSets = 4;

constexpr uint32_t BitOf(TokenSet set) {
  return 1u << static_cast<int>(set);
}

// Most alternatives that are reported with a token.
inline constexpr int32_t kMaxTopTokens = 20;

// Most rows of a request in beam search, and most continuations that it chooses in a step.
inline constexpr int32_t kMaxBeams = 16;
inline constexpr int32_t kMaxContinuations = 64;
// Most tokens of a row's sequences, together.
inline constexpr int32_t kMaxSequenceTokens = 2048;

// A sequence that a row biases or bans: where its last token would complete it, that token's score
// changes.
struct SequenceRule {
  int32_t last = 0;
  int32_t prefix = 0;  // where the tokens before it begin in SequenceRules::prefixes
  float bias = 0.0f;
};

// A row's sequences: those with a bias, ordered by their last tokens, then the banned ones. One
// more rule says where the last one's prefix ends.
struct SequenceRules {
  SequenceRule rules[kMaxSequenceTokens + 1];
  int32_t prefixes[kMaxSequenceTokens];
};

// How one row chooses its next token in one step. The values say by themselves what is off; the
// defaults are the plain greedy choice. The processors' order is that of the members.
struct RowChoice {
  int32_t slot = 0;    // the row's place in RowSlots
  int32_t length = 1;  // tokens in its history
  int32_t result = 0;  // the number of its choice in TokenChoice::chosen and ::top

  int32_t biased_sequences = 0;  // of RowSlots::sequences
  float source_penalty = 1.0f;   // of kSource
  float repetition_penalty = 1.0f;
  int32_t no_repeat_ngram_size = 0;  // 0 = off, else at most `length`
  int32_t source_ngram_size = 0;     // 0 = off, else at most `length` + 1
  int32_t source_length = 0;         // tokens in RowSlots::sources; 0 when nothing needs them
  int32_t banned_sequences = 0;      // behind the biased ones
  int32_t forced_token = -1;         // negative = none; before what kSuppressed and the rest ban
  float eos_raise = 0.0f;            // kEos' scores rise by their size times this
  uint32_t banned_sets = 0;          // BitOf each set that is banned now

  int32_t top_tokens = 0;  // alternatives reported, at most kMaxTopTokens
  bool sample = false;     // else the most likely token, and nothing below matters
  float temperature = 1.0f;
  int32_t top_k = 0;  // 0 = off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float typical_p = 1.0f;
  float epsilon_cutoff = 0.0f;
  float eta_cutoff = 0.0f;
  uint64_t seed = 0;        // of the draw, with `hypothesis` and `length`: SamplingUniform
  uint32_t hypothesis = 0;  // row number within the request

  // Rows of the request in beam search, all of them in the step and next to each other in the order
  // of `hypothesis`; 0 = not in beam search. Its kEos set must be on the device. With `sample` the
  // continuations are drawn (BeamUniform), and each filter leaves min_tokens_to_keep tokens at
  // least.
  int32_t beams = 0;
  int32_t min_tokens_to_keep = 1;
  int32_t beam_candidates = 0;     // continuations that the rows choose together
  int32_t first_continuation = 0;  // where the request's go
  float beam_score = 0.0f;         // with tokens that the host knows: the row's score
  // Whether the row is worked on as log-probabilities: always if it is drawn, else where processors
  // need them, which they never do with a forced token; and whether what is left is normalised
  // again. Processors that do not need them work on logits: what is normalised is what they leave,
  // or else what they found.
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
