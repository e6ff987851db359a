#include "engine/decode/processors.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace transept {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

void Ban(absl::Span<const TokenId> tokens, absl::Span<float> scores) {
  for (TokenId token : tokens) scores[token] = kBanned;
}

// The token costs nothing in a log-probability score.
void Force(TokenId token, absl::Span<float> scores) {
  std::fill(scores.begin(), scores.end(), kBanned);
  scores[token] = 0.0f;
}

// Every token of the history once, however often it occurs: all scores are read before the first is
// written.
bool RepetitionPenaltyApplies(const DecodeParams& params, const RowPosition&) {
  return params.repetition_penalty != 1.0f;
}
void RepetitionPenalty(const DecodeParams& params, const DecodeContext& context,
                       absl::Span<float> scores) {
  std::vector<float> penalized;
  penalized.reserve(context.history.size());
  for (TokenId token : context.history) {
    const float score = scores[token];
    penalized.push_back(score < 0 ? score * params.repetition_penalty
                                  : score / params.repetition_penalty);
  }
  for (size_t i = 0; i < penalized.size(); ++i) scores[context.history[i]] = penalized[i];
}

bool NoRepeatNgramApplies(const DecodeParams& params, const RowPosition& position) {
  return params.no_repeat_ngram_size > 0 && position.length >= params.no_repeat_ngram_size;
}
// Bans the last token of every n-gram of the history that begins with its last n-1 tokens.
void NoRepeatNgram(const DecodeParams& params, const DecodeContext& context,
                   absl::Span<float> scores) {
  const size_t prefix_size = params.no_repeat_ngram_size - 1;
  const absl::Span<const TokenId> history = context.history;
  const absl::Span<const TokenId> prefix = history.last(prefix_size);
  for (size_t i = 0; i + prefix_size < history.size(); ++i) {
    if (std::equal(prefix.begin(), prefix.end(), history.begin() + i)) {
      scores[history[i + prefix_size]] = kBanned;
    }
  }
}

bool MinNewTokensApplies(const DecodeParams& params, const RowPosition& position) {
  return position.generated() < params.min_new_tokens;
}
void MinNewTokens(const DecodeParams& params, const DecodeContext&, absl::Span<float> scores) {
  Ban(params.eos_tokens, scores);
}

// A target prefix takes the place of the forced first token.
bool ForcedBosApplies(const DecodeParams& params, const RowPosition& position) {
  return params.forced_bos_token.has_value() && position.length == 1;
}
void ForcedBos(const DecodeParams& params, const DecodeContext&, absl::Span<float> scores) {
  Force(*params.forced_bos_token, scores);
}

bool ForcedEosApplies(const DecodeParams& params, const RowPosition& position) {
  return params.forced_eos_token.has_value() && position.generated() == params.max_new_tokens - 1;
}
void ForcedEos(const DecodeParams& params, const DecodeContext&, absl::Span<float> scores) {
  Force(*params.forced_eos_token, scores);
}

bool SuppressTokensApplies(const DecodeParams& params, const RowPosition&) {
  return !params.suppress_tokens.empty();
}
void SuppressTokens(const DecodeParams& params, const DecodeContext&, absl::Span<float> scores) {
  Ban(params.suppress_tokens, scores);
}

// At the first token that is free to choose: the second when the first is forced.
bool BeginSuppressApplies(const DecodeParams& params, const RowPosition& position) {
  const bool first_is_forced = params.forced_bos_token.has_value() && position.prompt_length == 1;
  return !params.begin_suppress_tokens.empty() && position.generated() == (first_is_forced ? 1 : 0);
}
void BeginSuppress(const DecodeParams& params, const DecodeContext&, absl::Span<float> scores) {
  Ban(params.begin_suppress_tokens, scores);
}

// transformers' order (5.17, generation/utils.py). It has sequence_bias and
// encoder_repetition_penalty before the first of these; encoder_no_repeat_ngram_size and
// bad_words_ids before the minimum length; exponential_decay_length_penalty after the forced EOS.
constexpr LogitsProcessor kChain[] = {
    {Processor::kRepetitionPenalty, "repetition_penalty", RepetitionPenaltyApplies,
     RepetitionPenalty},
    {Processor::kNoRepeatNgram, "no_repeat_ngram_size", NoRepeatNgramApplies, NoRepeatNgram},
    {Processor::kMinNewTokens, "min_new_tokens", MinNewTokensApplies, MinNewTokens},
    {Processor::kForcedBos, "forced_bos_token_id", ForcedBosApplies, ForcedBos},
    {Processor::kForcedEos, "forced_eos_token_id", ForcedEosApplies, ForcedEos},
    {Processor::kSuppressTokens, "suppress_tokens", SuppressTokensApplies, SuppressTokens},
    {Processor::kBeginSuppressTokens, "begin_suppress_tokens", BeginSuppressApplies, BeginSuppress},
};

}  // namespace

absl::Span<const LogitsProcessor> LogitsProcessors() {
  return kChain;
}

void ProcessLogits(const DecodeParams& params, const DecodeContext& context,
                   absl::Span<float> scores) {
  for (const LogitsProcessor& processor : kChain) {
    if (processor.applies(params, context.position())) processor.apply(params, context, scores);
  }
}

}  // namespace transept
