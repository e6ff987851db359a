#include "engine/decode/options.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/types/errors.h"

namespace transept {
namespace {

// The defaults of transformers 5.17 where they are not those of DecodeParams.
constexpr int32_t kDefaultMaxNewTokens = 20;
constexpr int32_t kDefaultTopK = 50;

// The value that the first layer to set a field gives it.
template <typename T>
struct Choice {
  T value;
  bool requested = false;  // by the request itself, not by a default
};

// A maximum or minimum as one layer gives it, counted in new tokens.
struct LengthChoice {
  std::string_view name;  // the option that decided
  int32_t given = 0;
  int64_t new_tokens = 0;
  bool requested = false;
};

// One run of ResolveOptions. The first rule broken decides the error; the rest of the run then does
// not matter.
class Resolver {
 public:
  Resolver(const GenerationOptions& request, absl::Span<const GenerationOptions* const> defaults,
           const OptionLimits& limits, const OptionContext& context)
      : limits_(limits), context_(context), layers_{&request} {
    layers_.insert(layers_.end(), defaults.begin(), defaults.end());
  }

  absl::StatusOr<DecodeParams> Run() {
    ResolveMaxLength();
    ResolveMinLength();
    ResolveSampling();
    ResolveRepetition();
    ResolveTokens();
    ResolveBeams();
    ResolveRows();
    ResolveSequences();
    ResolveLengthDecay();
    ResolveStopSequences();
    if (!status_.ok()) return status_;
    return std::move(params_);
  }

 private:
  int64_t prompt_length() const { return int64_t{context_.target_prefix_length} + 1; }

  template <typename T>
  Choice<T> Choose(std::optional<T> GenerationOptions::*field, T otherwise) const {
    for (const GenerationOptions* layer : layers_) {
      if (layer->*field) return {*(layer->*field), layer == layers_.front()};
    }
    return {std::move(otherwise)};
  }

  // transformers merges the two options one by one, so there a checkpoint's max_new_tokens beats
  // the caller's max_length. Here an earlier layer's word is final.
  std::optional<LengthChoice> ChooseLength(
      std::pair<std::string_view, std::optional<int32_t> GenerationOptions::*> new_tokens,
      std::pair<std::string_view, std::optional<int32_t> GenerationOptions::*> length) const {
    for (const GenerationOptions* layer : layers_) {
      const bool requested = layer == layers_.front();
      if (const auto& given = layer->*new_tokens.second) {
        return LengthChoice{new_tokens.first, *given, *given, requested};
      }
      if (const auto& given = layer->*length.second) {
        return LengthChoice{length.first, *given, *given - prompt_length(), requested};
      }
    }
    return std::nullopt;
  }

  void Require(bool holds, std::string_view name, const absl::AlphaNum& value,
               std::string_view rule, const absl::AlphaNum& bound = "") {
    if (holds || !status_.ok()) return;
    status_ = FieldError(absl::StrCat("options.", absl::string_view(name.data(), name.size())),
                         absl::StrCat(value.Piece(), " is not allowed: it must be ",
                                      absl::string_view(rule.data(), rule.size()), bound.Piece()));
  }

  LengthChoice DefaultLength() const;  // where nobody names one
  void ResolveMaxLength();
  void ResolveMinLength();
  void ResolveSampling();
  void ResolveBeams();
  void ResolveRows();
  void ResolveRepetition();
  void ResolveTokens();
  void ResolveSequences();
  void ResolveLengthDecay();
  void ResolveStopSequences();
  void CheckTokens(std::string_view name, absl::Span<const TokenId> tokens);
  std::vector<TokenId> ChooseTokens(std::optional<std::vector<TokenId>> GenerationOptions::*field,
                                    std::string_view name, std::vector<TokenId> otherwise);
  std::optional<TokenId> ChooseForcedToken(std::optional<TokenId> GenerationOptions::*field,
                                           std::string_view name);

  const OptionLimits& limits_;
  const OptionContext& context_;
  std::vector<const GenerationOptions*> layers_;  // the request first
  DecodeParams params_;
  absl::Status status_;
};

// transformers counts the last token's position here, though it feeds none.
LengthChoice Resolver::DefaultLength() const {
  const int64_t positions = limits_.model->max_target_positions;  // 0 = unlimited
  const int64_t room = positions > 0 ? positions - prompt_length() : kDefaultMaxNewTokens;
  const auto tokens = static_cast<int32_t>(std::clamp<int64_t>(room, 1, kDefaultMaxNewTokens));
  return {"max_new_tokens", tokens, tokens};
}

void Resolver::ResolveMaxLength() {
  const int64_t positions = limits_.model->max_target_positions;  // 0 = unlimited
  if (positions > 0 && prompt_length() > positions) {
    status_ = FieldError("target_prefix",
                         absl::StrCat(context_.target_prefix_length,
                                      " tokens are not allowed: the decoder start token and they "
                                      "take more than the model's positions, ",
                                      positions));
    return;
  }
  const LengthChoice choice = ChooseLength({"max_new_tokens", &GenerationOptions::max_new_tokens},
                                           {"max_length", &GenerationOptions::max_length})
                                  .value_or(DefaultLength());
  Require(choice.given >= 1, choice.name, choice.given, "at least 1");
  Require(choice.new_tokens >= 1, choice.name, choice.given,
          "above the length of decoder start and target prefix, ", prompt_length());
  int64_t largest = limits_.max_new_tokens;
  if (positions > 0) {  // the last token is never fed
    largest = std::min(largest, positions - prompt_length() + 1);
  }
  if (choice.requested) {
    Require(choice.new_tokens <= largest, choice.name, choice.given, "at most ",
            largest + (choice.given - choice.new_tokens));
  }
  params_.max_new_tokens = static_cast<int32_t>(std::min(choice.new_tokens, largest));
}

void Resolver::ResolveMinLength() {
  const LengthChoice choice = ChooseLength({"min_new_tokens", &GenerationOptions::min_new_tokens},
                                           {"min_length", &GenerationOptions::min_length})
                                  .value_or(LengthChoice{"min_new_tokens"});
  Require(choice.given >= 0, choice.name, choice.given, "at least 0");
  const int64_t largest = params_.max_new_tokens;
  if (choice.requested) {
    Require(choice.new_tokens <= largest, choice.name, choice.given, "at most the maximum, ",
            largest + (choice.given - choice.new_tokens));
  }
  params_.min_new_tokens = static_cast<int32_t>(
      std::clamp<int64_t>(choice.new_tokens, 0, std::max<int64_t>(largest, 0)));
}

void Resolver::ResolveSampling() {
  params_.do_sample = Choose(&GenerationOptions::do_sample, false).value;
  params_.seed = Choose(&GenerationOptions::seed, context_.seed).value;
  const auto temperature = Choose(&GenerationOptions::temperature, 1.0f);
  const auto top_k = Choose(&GenerationOptions::top_k, kDefaultTopK);
  const auto top_p = Choose(&GenerationOptions::top_p, 1.0f);
  const auto min_p = Choose(&GenerationOptions::min_p, 0.0f);
  const auto typical_p = Choose(&GenerationOptions::typical_p, 1.0f);
  const auto epsilon = Choose(&GenerationOptions::epsilon_cutoff, 0.0f);
  const auto eta = Choose(&GenerationOptions::eta_cutoff, 0.0f);

  // Written so that NaN fails. Defaults that sampling does not use are nobody's error.
  const auto check = [&](const auto& choice, bool holds, std::string_view name,
                         std::string_view rule) {
    if (params_.do_sample || choice.requested) Require(holds, name, choice.value, rule);
  };
  check(temperature, temperature.value > 0 && std::isfinite(temperature.value), "temperature",
        "above 0 and finite");
  check(top_k, top_k.value >= 0, "top_k", "at least 0 (0 = off)");
  check(top_p, top_p.value > 0 && top_p.value <= 1, "top_p", "above 0 and at most 1");
  check(min_p, min_p.value >= 0 && min_p.value <= 1, "min_p", "at least 0 and at most 1");
  check(typical_p, typical_p.value > 0 && typical_p.value <= 1, "typical_p",
        "above 0 and at most 1");
  check(epsilon, epsilon.value >= 0 && epsilon.value < 1, "epsilon_cutoff",
        "at least 0 and below 1");
  check(eta, eta.value >= 0 && eta.value < 1, "eta_cutoff", "at least 0 and below 1");
  if (!params_.do_sample) return;
  params_.temperature = temperature.value;
  params_.top_k = top_k.value;
  params_.top_p = top_p.value;
  params_.min_p = min_p.value;
  params_.typical_p = typical_p.value;
  params_.epsilon_cutoff = epsilon.value;
  params_.eta_cutoff = eta.value;
}

// Options that search without beams does not use are checked, and then ignored.
void Resolver::ResolveBeams() {
  const int32_t beams = Choose(&GenerationOptions::num_beams, 1).value;
  Require(beams >= 1, "num_beams", beams, "at least 1");
  Require(beams <= kMaxBeams, "num_beams", beams, "at most ", kMaxBeams);
  Require(beams == 1 || beams <= limits_.max_rows, "num_beams", beams,
          "at most the rows of one step, ", limits_.max_rows);
  const float penalty = Choose(&GenerationOptions::length_penalty, 1.0f).value;
  Require(std::isfinite(penalty), "length_penalty", penalty, "finite");
  if (beams == 1) return;
  params_.num_beams = beams;
  params_.length_penalty = penalty;
  params_.early_stopping = Choose(&GenerationOptions::early_stopping, EarlyStopping::kFalse).value;
  params_.renormalize_logits = Choose(&GenerationOptions::renormalize_logits, false).value;
  if (!status_.ok()) return;  // what follows may overflow
  const auto eos = static_cast<int64_t>(params_.eos_tokens.size());
  Require(beams * (1 + eos) <= kMaxBeamCandidates, "num_beams", beams,
          absl::StrCat("so few that with ", eos, " EOS tokens a step chooses among"),
          absl::StrCat(" at most ", kMaxBeamCandidates, ", not ", beams * (1 + eos)));
  Require(eos < limits_.model->vocab_size, "eos_token_ids", absl::StrCat("a list of ", eos),
          "shorter than the vocabulary, ", limits_.model->vocab_size);
}

void Resolver::ResolveRows() {
  // A checkpoint's default of several sequences is meant for its beams or its sampling.
  const auto sequences = Choose(&GenerationOptions::num_return_sequences, 1);
  const bool searches = params_.beam_search();
  const bool several = searches || params_.do_sample;
  const int32_t most = searches ? params_.num_beams : limits_.max_rows;
  Require(sequences.value >= 1, "num_return_sequences", sequences.value, "at least 1");
  if (sequences.requested) {
    Require(sequences.value == 1 || several, "num_return_sequences", sequences.value,
            "1 without do_sample or several beams");
    Require(sequences.value <= most, "num_return_sequences", sequences.value,
            searches ? "at most num_beams, " : "at most the rows of one step, ", most);
  }
  params_.num_sequences = several ? std::min(sequences.value, most) : 1;
}

void Resolver::ResolveRepetition() {
  const auto penalty = [&](std::optional<float> GenerationOptions::*field, std::string_view name) {
    const float value = Choose(field, 1.0f).value;
    Require(value > 0 && std::isfinite(value), name, value, "above 0 and finite");
    return value;
  };
  params_.repetition_penalty =
      penalty(&GenerationOptions::repetition_penalty, "repetition_penalty");
  params_.encoder_repetition_penalty =
      penalty(&GenerationOptions::encoder_repetition_penalty, "encoder_repetition_penalty");
  const auto ngram_size = [&](std::optional<int32_t> GenerationOptions::*field,
                              std::string_view name) {
    const int32_t value = Choose(field, 0).value;
    Require(value >= 0, name, value, "at least 0 (0 = off)");
    return value;
  };
  params_.no_repeat_ngram_size =
      ngram_size(&GenerationOptions::no_repeat_ngram_size, "no_repeat_ngram_size");
  params_.encoder_no_repeat_ngram_size =
      ngram_size(&GenerationOptions::encoder_no_repeat_ngram_size, "encoder_no_repeat_ngram_size");
}

void Resolver::CheckTokens(std::string_view name, absl::Span<const TokenId> tokens) {
  const int32_t vocab_size = limits_.model->vocab_size;
  for (TokenId token : tokens) {
    Require(token >= 0 && token < vocab_size, name, token,
            "a token id, at least 0 and below the vocabulary's size ", vocab_size);
  }
}

std::vector<TokenId> Resolver::ChooseTokens(
    std::optional<std::vector<TokenId>> GenerationOptions::*field, std::string_view name,
    std::vector<TokenId> otherwise) {
  std::vector<TokenId> tokens = Choose(field, std::move(otherwise)).value;
  const int32_t vocab_size = limits_.model->vocab_size;
  Require(tokens.size() <= static_cast<size_t>(vocab_size), name,
          absl::StrCat("a list of ", tokens.size()), "no longer than the vocabulary, ", vocab_size);
  CheckTokens(name, tokens);
  return tokens;
}

std::optional<TokenId> Resolver::ChooseForcedToken(std::optional<TokenId> GenerationOptions::*field,
                                                   std::string_view name) {
  for (const GenerationOptions* layer : layers_) {
    const std::optional<TokenId>& token = layer->*field;
    if (!token) continue;
    const int32_t vocab_size = limits_.model->vocab_size;
    Require(*token >= 0 && *token < vocab_size, name, *token,
            "a token id, at least 0 and below the vocabulary's size ", vocab_size);
    const std::vector<TokenId>& suppressed = params_.suppress_tokens;
    Require(std::find(suppressed.begin(), suppressed.end(), *token) == suppressed.end(), name,
            *token, "none of suppress_tokens");
    return token;
  }
  return std::nullopt;
}

void Resolver::ResolveTokens() {
  using Options = GenerationOptions;
  params_.eos_tokens =
      ChooseTokens(&Options::eos_token_ids, "eos_token_ids", limits_.model->eos_tokens);
  Require(!params_.eos_tokens.empty(), "eos_token_ids", "an empty list", "at least one token");
  params_.suppress_tokens = ChooseTokens(&Options::suppress_tokens, "suppress_tokens", {});
  params_.begin_suppress_tokens =
      ChooseTokens(&Options::begin_suppress_tokens, "begin_suppress_tokens", {});
  params_.forced_bos_token =
      ChooseForcedToken(&Options::forced_bos_token_id, "forced_bos_token_id");
  params_.forced_eos_token =
      ChooseForcedToken(&Options::forced_eos_token_id, "forced_eos_token_id");
}

// As in transformers nobody can ban the end by itself, and of equal sequences the last one's bias
// counts.
void Resolver::ResolveSequences() {
  auto words = Choose(&GenerationOptions::bad_words_ids, std::vector<std::vector<TokenId>>());
  auto biases = Choose(&GenerationOptions::sequence_bias, std::vector<SequenceBias>());
  size_t total = 0;
  const auto count = [&](std::string_view name, absl::Span<const TokenId> tokens) {
    Require(!tokens.empty(), name, "an empty sequence", "at least one token");
    CheckTokens(name, tokens);
    total += tokens.size();
    Require(total <= kMaxSequenceTokens, name, total,
            "the number of tokens in all of bad_words_ids, bad_words and sequence_bias, at most ",
            kMaxSequenceTokens);
    return status_.ok();
  };
  const auto ban = [&](std::string_view name, absl::Span<const std::vector<TokenId>> list) {
    for (const std::vector<TokenId>& word : list) {
      if (!count(name, word)) return;
      const std::vector<TokenId>& eos = params_.eos_tokens;
      if (word.size() == 1 && std::find(eos.begin(), eos.end(), word[0]) != eos.end()) continue;
      params_.bad_words.push_back(word);
    }
  };
  ban("bad_words_ids", words.value);
  ban("bad_words", context_.bad_words);
  std::map<std::vector<TokenId>, size_t> places;
  for (SequenceBias& sequence : biases.value) {
    if (!count("sequence_bias", sequence.tokens)) return;
    Require(std::isfinite(sequence.bias), "sequence_bias", sequence.bias, "finite");
    const auto [known, is_new] = places.emplace(sequence.tokens, params_.sequence_bias.size());
    if (is_new) {
      params_.sequence_bias.push_back(std::move(sequence));
    } else {
      params_.sequence_bias[known->second].bias = sequence.bias;
    }
  }
}

void Resolver::ResolveLengthDecay() {
  for (const GenerationOptions* layer : layers_) {
    const std::optional<LengthDecay>& decay = layer->exponential_decay_length_penalty;
    if (!decay) continue;
    Require(decay->start_index >= 0, "exponential_decay_length_penalty.start_index",
            decay->start_index, "at least 0");
    Require(decay->decay_factor > 0 && std::isfinite(decay->decay_factor),
            "exponential_decay_length_penalty.decay_factor", decay->decay_factor,
            "above 0 and finite");
    params_.length_decay = decay;
    return;
  }
}

void Resolver::ResolveStopSequences() {
  auto stops = Choose(&GenerationOptions::stop_sequences, std::vector<std::string>());
  if (stops.value.empty()) return;
  if (!limits_.has_tokenizer) {
    if (stops.requested && status_.ok()) {
      status_ = absl::FailedPreconditionError(
          "options.stop_sequences: the model has no tokenizer, so its output is no text to stop "
          "at");
    }
    return;
  }
  Require(stops.value.size() <= kMaxStopSequences, "stop_sequences",
          absl::StrCat("a list of ", stops.value.size()), "at most ", kMaxStopSequences);
  for (const std::string& stop : stops.value) {
    Require(!stop.empty(), "stop_sequences", "an empty string", "text");
    Require(stop.size() <= kMaxStopSequenceBytes, "stop_sequences",
            absl::StrCat("a string of ", stop.size(), " bytes"), "at most ", kMaxStopSequenceBytes);
  }
  params_.stop_sequences = std::move(stops.value);
}

}  // namespace

absl::StatusOr<DecodeParams> ResolveOptions(const GenerationOptions& request,
                                            absl::Span<const GenerationOptions* const> defaults,
                                            const OptionLimits& limits,
                                            const OptionContext& context) {
  return Resolver(request, defaults, limits, context).Run();
}

}  // namespace transept
