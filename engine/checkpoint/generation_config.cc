#include "engine/checkpoint/generation_config.h"

#include <limits>
#include <string_view>

namespace transept {
namespace {

constexpr int32_t kMaxInt = std::numeric_limits<int32_t>::max();
constexpr float kMaxFloat = std::numeric_limits<float>::max();

constexpr Range<int32_t> kPositive = {1, kMaxInt};
constexpr Range<int32_t> kNonNegative = {0, kMaxInt};
constexpr Range<float> kPositiveNumber = {.min = 0.0f, .max = kMaxFloat, .open_min = true};

// Changes the output, and nobody here knows how yet.
struct Unsupported {
  std::string_view field;
  double neutral;  // the number with which the field does nothing; false and [] do nothing either
};
constexpr Unsupported kUnsupported[] = {
    {"assistant_early_exit", 0},
    {"constraints", 0},
    {"diversity_penalty", 0},
    {"dola_layers", 0},
    {"encoder_no_repeat_ngram_size", 0},
    {"encoder_repetition_penalty", 1},
    {"epsilon_cutoff", 0},
    {"eta_cutoff", 0},
    {"exponential_decay_length_penalty", 0},
    {"force_words_ids", 0},
    {"forced_decoder_ids", 0},
    {"guidance_scale", 1},
    {"max_time", 0},
    {"num_beam_groups", 1},
    {"penalty_alpha", 0},
    {"sequence_bias", 0},
    {"token_healing", 0},
    {"top_h", 1},
    {"typical_p", 1},
    {"watermarking_config", 0},
};

bool IsNeutral(const JsonView& value, double neutral) {
  if (value.is_number()) return value.AsDouble().value_or(neutral + 1) == neutral;
  if (value.is_bool()) return !*value.AsBool();
  return (value.is_array() || value.is_object()) && value.size() == 0;
}

void RejectUnsupported(ConfigFields& fields) {
  for (const auto& [field, neutral] : kUnsupported) {
    if (!fields.Has(field) || IsNeutral(fields.Get(field), neutral)) continue;
    fields.Reject(field, "is not supported");
  }
}

// A token or a list of one token.
std::optional<TokenId> ReadToken(ConfigFields& fields, std::string_view name, Range<int32_t> ids) {
  const auto tokens = fields.Ints(name, ids);
  if (!tokens) return std::nullopt;
  if (tokens->size() == 1) return (*tokens)[0];
  fields.Reject(name, "must be one token");
  return std::nullopt;
}

// Words of one token each; longer ones are not supported.
std::optional<std::vector<TokenId>> ReadBadTokens(ConfigFields& fields, Range<int32_t> ids) {
  constexpr std::string_view kName = "bad_words_ids";
  if (!fields.Has(kName)) return std::nullopt;
  const JsonView words = fields.Get(kName);
  if (!words.is_array()) {
    fields.Reject(kName, "must be lists of token ids");
    return std::nullopt;
  }
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() > 1) {
      fields.Reject(kName, "has a word of several tokens, which is not supported");
      return std::nullopt;
    }
    const absl::StatusOr<int64_t> token = words[i][size_t{0}].AsInt(ids.min, ids.max);
    if (!token.ok()) {
      fields.Reject(kName, "must be lists of token ids");
      return std::nullopt;
    }
    tokens.push_back(static_cast<TokenId>(*token));
  }
  return tokens;
}

void ReadLengths(ConfigFields& fields, GenerationOptions& options) {
  options.max_new_tokens = fields.Int("max_new_tokens", kPositive);
  options.max_length = fields.Int("max_length", kPositive);
  options.min_new_tokens = fields.Int("min_new_tokens", kNonNegative);
  options.min_length = fields.Int("min_length", kNonNegative);
}

void ReadSampling(ConfigFields& fields, GenerationOptions& options) {
  options.do_sample = fields.Bool("do_sample");
  options.temperature = fields.Float("temperature", kPositiveNumber);
  options.top_k = fields.Int("top_k", kNonNegative);
  options.top_p = fields.Float("top_p", {.min = 0.0f, .max = 1.0f, .open_min = true});
  options.min_p = fields.Float("min_p", {.min = 0.0f, .max = 1.0f});
}

// true, false or "never".
std::optional<EarlyStopping> ReadEarlyStopping(ConfigFields& fields) {
  constexpr std::string_view kName = "early_stopping";
  if (!fields.Has(kName)) return std::nullopt;
  if (fields.Get(kName).is_string()) {
    if (fields.String(kName) == "never") return EarlyStopping::kNever;
    fields.Reject(kName, "must be true, false or \"never\"");
    return std::nullopt;
  }
  const std::optional<bool> early = fields.Bool(kName);
  if (!early.has_value()) return std::nullopt;
  return *early ? EarlyStopping::kTrue : EarlyStopping::kFalse;
}

void ReadBeams(ConfigFields& fields, GenerationOptions& options) {
  options.num_beams = fields.Int("num_beams", kPositive);
  options.num_return_sequences = fields.Int("num_return_sequences", kPositive);
  options.length_penalty = fields.Float("length_penalty", {.min = -kMaxFloat, .max = kMaxFloat});
  options.early_stopping = ReadEarlyStopping(fields);
  options.renormalize_logits = fields.Bool("renormalize_logits");
}

}  // namespace

GenerationDefaults ReadGenerationConfig(ConfigFields& fields, int32_t vocab_size) {
  const Range<int32_t> ids = {0, vocab_size - 1};
  GenerationDefaults defaults;
  GenerationOptions& options = defaults.options;
  ReadLengths(fields, options);
  ReadSampling(fields, options);
  ReadBeams(fields, options);
  options.repetition_penalty = fields.Float("repetition_penalty", kPositiveNumber);
  options.no_repeat_ngram_size = fields.Int("no_repeat_ngram_size", kNonNegative);
  options.suppress_tokens = fields.Ints("suppress_tokens", ids);
  options.begin_suppress_tokens = fields.Ints("begin_suppress_tokens", ids);
  options.bad_tokens = ReadBadTokens(fields, ids);
  options.stop_sequences = fields.Strings("stop_strings");
  options.forced_bos_token_id = fields.Int("forced_bos_token_id", ids);
  options.forced_eos_token_id = ReadToken(fields, "forced_eos_token_id", ids);
  RejectUnsupported(fields);

  defaults.eos_tokens = fields.Ints("eos_token_id", ids);
  if (defaults.eos_tokens && defaults.eos_tokens->empty()) {
    fields.Reject("eos_token_id", "must name a token");
  }
  const bool has_start = fields.Has("decoder_start_token_id");
  defaults.decoder_start_token =
      ReadToken(fields, has_start ? "decoder_start_token_id" : "bos_token_id", ids);
  return defaults;
}

}  // namespace transept
