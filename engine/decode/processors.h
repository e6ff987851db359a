// The logits processors: what changes a row's scores before a token is chosen. A chain of stateless
// functions in the order of transformers' _get_logits_processor (5.17), one table in processors.cc.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "engine/types/generation.h"

namespace transept {

// How far a row is when it chooses its next token.
struct RowPosition {
  int32_t length = 1;         // tokens: decoder start, target prefix, generated
  int32_t prompt_length = 1;  // of these, decoder start and target prefix

  int32_t generated() const { return length - prompt_length; }
};

// What else of a row its choice depends on. The spans are borrowed for the call.
struct DecodeContext {
  absl::Span<const TokenId> history;  // decoder start, target prefix, generated; never empty
  // As the encoder got it, in a vocabulary that may be another; only for the processors that
  // compare with it.
  absl::Span<const TokenId> source = {};
  int32_t prompt_length = 1;
  int32_t hypothesis = 0;  // row number within the request

  RowPosition position() const { return {static_cast<int32_t>(history.size()), prompt_length}; }
};

enum class Processor : uint8_t {
  kSequenceBias,
  kEncoderRepetitionPenalty,
  kRepetitionPenalty,
  kNoRepeatNgram,
  kEncoderNoRepeatNgram,
  kBadWords,
  kMinNewTokens,
  kForcedBos,
  kForcedEos,
  kLengthDecay,
  kSuppressTokens,
  kBeginSuppressTokens,
};

// One link. `scores` holds one value for each token of the vocabulary: logits, or log-probabilities
// in beam search. Every id in params and history is a valid index into it. A banned token's score
// is -infinity. Another device has its own `apply` (kernels/cuda/process_logits.cuh).
struct LogitsProcessor {
  Processor id;
  std::string_view name;  // transformers' option
  bool (*applies)(const DecodeParams& params, const RowPosition& position);
  void (*apply)(const DecodeParams& params, const DecodeContext& context, absl::Span<float> scores);
};

// What encoder_repetition_penalty is to the tokens of the source: below 1 when it favours them.
float SourcePenalty(const DecodeParams& params);

// What kLengthDecay, where it applies, multiplies the size of an EOS score with to raise it.
float DecayOf(const DecodeParams& params, const RowPosition& position);

// The chain, in the order in which its links are applied. Thread-safe.
absl::Span<const LogitsProcessor> LogitsProcessors();

// Runs every link that applies.
void ProcessLogits(const DecodeParams& params, const DecodeContext& context,
                   absl::Span<float> scores);

}  // namespace transept
