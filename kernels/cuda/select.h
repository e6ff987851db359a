// Choosing each row's next token on the GPU, and the tokens that need not leave it.
#pragma once

#include <cstdint>

#include "kernels/cuda/choice.h"
#include "kernels/cuda/device.h"
#include "kernels/tensor.h"

namespace transept::kernels::cuda {

struct Summary;  // row_batch.cuh

// What rows keep on the device from step to step, by slot. Filling rows share one.
struct RowSlots {
  int32_t* history = nullptr;  // [slots, history_stride]: the target's tokens by position
  int64_t history_stride = 0;
  // Of rows in beam search: DecoderInputs::ancestry, [slots, history_stride]; the sums of their
  // tokens' log-probabilities [slots].
  int8_t* ancestry = nullptr;
  float* beam_scores = nullptr;
  // [slots, kTokenSets, set_words]: token i is bit i % 32 of word i / 32.
  const uint32_t* token_sets = nullptr;
  int64_t set_words = 0;
  const SequenceRules* sequences = nullptr;  // [slots]
  const int32_t* sources = nullptr;          // [slots, source_stride]
  int64_t source_stride = 0;
};

// The tokens that a decoder step is fed (DecoderInputs).
struct TokenFeed {
  int32_t* token_ids = nullptr;            // [query tokens]; negative = only the device knows it
  const int32_t* positions = nullptr;      // [query tokens]
  const int32_t* query_offsets = nullptr;  // [rows + 1]
  const RowChoice* rows = nullptr;         // [num_rows]
  int64_t num_rows = 0;
  RowSlots slots;
};
// Writes the tokens that the host knows to their rows' histories, and takes the others from there:
// a row that starts, or resumes, with its whole history leaves it on the device for its next steps.
// In beam search a row has itself written what it is fed, one that is fed nothing gets what row 0
// of its search is fed and writes, and one whose tokens the host knows has the score that it says.
void FeedTokens(const TokenFeed& feed, Device& device);

// For each row of float32 `logits`, which become scratch, lie at a multiple of 16 bytes and have a
// stride that is a multiple of 4: runs the logits processors, chooses a token as engine/decode's
// ChooseToken does, and appends it to the row's history.
//
// The same token as there, for equal logits, unless a sampled row's uniform number lies within 1e-5
// of where two tokens' shares of the probability meet, or a filter's bound that close to a token's:
// sums and exponentials round in other places. A row's token depends on nothing else of
// the batch.
//
// Rows in beam search choose together, as StepResult::beams says (engine/types/batch.h), and are
// left as the request's next rows: with their histories, ancestry and scores. Fewer than `beams`
// continuations that are no EOS leave rows of score -infinity.
struct TokenChoice {
  Activations logits;
  const RowChoice* rows = nullptr;  // [num_rows]
  int64_t num_rows = 0;
  RowSlots slots;
  // The results are written once, and may lie in pinned host memory. Of every row: [results].
  ScoredToken* chosen = nullptr;
  // [results, kMaxTopTokens]: the first top_tokens of a row are written, best first, up to and
  // with the first that there is none for; in beam search with what each would add to the row's
  // score.
  ScoredToken* top = nullptr;
  // Each request's at first_continuation, best first. Null when no row is in beam search.
  Continuation* continuations = nullptr;
  // Where the kernel that made the logits has summed up plain rows (IsPlain in process_logits.cuh),
  // whose logits are then not there: [num_rows, summary_parts], of parts of each row. Null =
  // nothing is summed up yet.
  const Summary* summaries = nullptr;
  int32_t summary_parts = 0;
};
void ChooseTokens(const TokenChoice& choice, Device& device);

// For each row of float32 `logits`, which lie like those of TokenChoice: the natural
// log-probability of a token of its own.
struct TokenScoring {
  Activations logits;
  const int32_t* tokens = nullptr;  // [num_rows]
  int64_t num_rows = 0;
  float* logprobs = nullptr;  // [num_rows]
};
void ScoreTokens(const TokenScoring& scoring, Device& device);

}  // namespace transept::kernels::cuda
