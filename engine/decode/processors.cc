#include "engine/decode/processors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
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

// Every one of `tokens` once, however often it occurs: all scores are read before the first is
// written.
void Penalize(absl::Span<const TokenId> tokens, float penalty, absl::Span<float> scores) {
  std::vector<std::pair<TokenId, float>> penalized;
  penalized.reserve(tokens.size());
  for (TokenId token : tokens) {
    if (static_cast<size_t>(token) >= scores.size()) continue;  // the source's vocabulary is larger
    const float score = scores[token];
    penalized.emplace_back(token, score < 0 ? score * penalty : score / penalty);
  }
  for (const auto& [token, score] : penalized) scores[token] = score;
}

// Whether the sequence's last token would complete it. As in transformers it does not where the
// history is no longer than what comes before that token.
bool CanComplete(absl::Span<const TokenId> sequence, absl::Span<const TokenId> history) {
  if (sequence.size() > history.size()) return false;
  const absl::Span<const TokenId> prefix = sequence.first(sequence.size() - 1);
  return history.last(prefix.size()) == prefix;
}

bool SequenceBiasApplies(const DecodeParams& params, const RowPosition&) {
  return !params.sequence_bias.empty();
}
// The biases on one token are summed up before they are added to its score.
void AddSequenceBias(const DecodeParams& params, const DecodeContext& context,
                     absl::Span<float> scores) {
  std::vector<std::pair<TokenId, float>> biases;
  for (const SequenceBias& sequence : params.sequence_bias) {
    if (!CanComplete(sequence.tokens, context.history)) continue;
    biases.emplace_back(sequence.tokens.back(), sequence.bias);
  }
  std::stable_sort(biases.begin(), biases.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < biases.size();) {
    const TokenId token = biases[i].first;
    float sum = 0.0f;
    for (; i < biases.size() && biases[i].first == token; ++i) sum += biases[i].second;
    scores[token] += sum;
  }
}

bool EncoderRepetitionPenaltyApplies(const DecodeParams& params, const RowPosition&) {
  return params.encoder_repetition_penalty != 1.0f;
}
void EncoderRepetitionPenalty(const DecodeParams& params, const DecodeContext& context,
                              absl::Span<float> scores) {
  Penalize(context.source, SourcePenalty(params), scores);
}

bool RepetitionPenaltyApplies(const DecodeParams& params, const RowPosition&) {
  return params.repetition_penalty != 1.0f;
}
void RepetitionPenalty(const DecodeParams& params, const DecodeContext& context,
                       absl::Span<float> scores) {
  Penalize(context.history, params.repetition_penalty, scores);
}

// Bans the last token of every n-gram of `text` that begins with `prefix`.
void BanNgrams(absl::Span<const TokenId> text, absl::Span<const TokenId> prefix,
               absl::Span<float> scores) {
  for (size_t i = 0; i + prefix.size() < text.size(); ++i) {
    const TokenId last = text[i + prefix.size()];
    if (static_cast<size_t>(last) >= scores.size()) continue;  // the source's vocabulary is larger
    if (text.subspan(i, prefix.size()) == prefix) scores[last] = kBanned;
  }
}

bool NoRepeatNgramApplies(const DecodeParams& params, const RowPosition& position) {
  return params.no_repeat_ngram_size > 0 && position.length >= params.no_repeat_ngram_size;
}
void NoRepeatNgram(const DecodeParams& params, const DecodeContext& context,
                   absl::Span<float> scores) {
  BanNgrams(context.history, context.history.last(params.no_repeat_ngram_size - 1), scores);
}

bool EncoderNoRepeatNgramApplies(const DecodeParams& params, const RowPosition& position) {
  return params.encoder_no_repeat_ngram_size > 0 &&
         position.length >= params.encoder_no_repeat_ngram_size - 1;
}
void EncoderNoRepeatNgram(const DecodeParams& params, const DecodeContext& context,
                          absl::Span<float> scores) {
  BanNgrams(context.source, context.history.last(params.encoder_no_repeat_ngram_size - 1), scores);
}

bool BadWordsApplies(const DecodeParams& params, const RowPosition&) {
  return !params.bad_words.empty();
}
void BadWords(const DecodeParams& params, const DecodeContext& context, absl::Span<float> scores) {
  for (const std::vector<TokenId>& word : params.bad_words) {
    if (CanComplete(word, context.history)) scores[word.back()] = kBanned;
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

bool LengthDecayApplies(const DecodeParams& params, const RowPosition& position) {
  return params.length_decay && position.generated() > params.length_decay->start_index;
}
// What is banned stays so. (In transformers -infinity and the rise, +infinity, make NaN, which its
// greedy search takes for the best and its sampling fails at.)
void DecayLength(const DecodeParams& params, const DecodeContext& context,
                 absl::Span<float> scores) {
  const float decay = DecayOf(params, context.position());
  std::vector<float> raised;
  for (TokenId eos : params.eos_tokens) {
    const float score = scores[eos];
    raised.push_back(score > kBanned ? score + std::abs(score) * decay : score);
  }
  for (size_t i = 0; i < raised.size(); ++i) scores[params.eos_tokens[i]] = raised[i];
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

// transformers' order (5.17, generation/utils.py).
constexpr LogitsProcessor kChain[] = {
    {Processor::kSequenceBias, "sequence_bias", SequenceBiasApplies, AddSequenceBias},
    {Processor::kEncoderRepetitionPenalty, "encoder_repetition_penalty",
     EncoderRepetitionPenaltyApplies, EncoderRepetitionPenalty},
    {Processor::kRepetitionPenalty, "repetition_penalty", RepetitionPenaltyApplies,
     RepetitionPenalty},
    {Processor::kNoRepeatNgram, "no_repeat_ngram_size", NoRepeatNgramApplies, NoRepeatNgram},
    {Processor::kEncoderNoRepeatNgram, "encoder_no_repeat_ngram_size", EncoderNoRepeatNgramApplies,
     EncoderNoRepeatNgram},
    {Processor::kBadWords, "bad_words_ids", BadWordsApplies, BadWords},
    {Processor::kMinNewTokens, "min_new_tokens", MinNewTokensApplies, MinNewTokens},
    {Processor::kForcedBos, "forced_bos_token_id", ForcedBosApplies, ForcedBos},
    {Processor::kForcedEos, "forced_eos_token_id", ForcedEosApplies, ForcedEos},
    {Processor::kLengthDecay, "exponential_decay_length_penalty", LengthDecayApplies, DecayLength},
    {Processor::kSuppressTokens, "suppress_tokens", SuppressTokensApplies, SuppressTokens},
    {Processor::kBeginSuppressTokens, "begin_suppress_tokens", BeginSuppressApplies, BeginSuppress},
};

}  // namespace

float SourcePenalty(const DecodeParams& params) {
  return static_cast<float>(
      std::min<double>(1.0 / params.encoder_repetition_penalty, std::numeric_limits<float>::max()));
}

float DecayOf(const DecodeParams& params, const RowPosition& position) {
  const int32_t steps = position.generated() - params.length_decay->start_index;
  const double decay = std::pow(double{params.length_decay->decay_factor}, steps) - 1.0;
  return static_cast<float>(std::min<double>(decay, std::numeric_limits<float>::max()));
}

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
