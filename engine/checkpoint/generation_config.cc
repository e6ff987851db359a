#include "engine/checkpoint/generation_config.h"

#include <algorithm>
#include <iterator>
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
    {"force_words_ids", 0},
    {"forced_decoder_ids", 0},
    {"guidance_scale", 1},
    {"is_assistant", 0},
    {"max_time", 0},
    {"num_beam_groups", 1},
    {"penalty_alpha", 0},
    {"token_healing", 0},
    {"top_h", 1},
    {"watermarking_config", 0},
};

// What transformers 5.17's GenerationConfig has besides: how tokens are computed, what else is
// returned, where the file is from.
constexpr std::string_view kWithoutEffect[] = {
    "_commit_hash",
    "_from_model_config",
    "assistant_confidence_threshold",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "bos_token_id",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "continuous_batching_config",
    "disable_compile",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "remove_invalid_values",  // matters where scores are NaN or infinite alone
    "return_dict_in_generate",
    "speculation_type",
    "target_lookbehind",
    "transformers_version",
    "use_cache",
    "use_mtp",
};

bool IsNeutral(const JsonView& value, double neutral) {
  if (value.is_number()) return value.AsDouble().value_or(neutral + 1) == neutral;
  if (value.is_bool()) return !*value.AsBool();
  return value.is_array() && value.size() == 0;  // a watermark of {} has defaults
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

// A list of token ids; nullopt unless it is one of at least one.
std::optional<std::vector<TokenId>> TokensIn(const JsonView& list, Range<int32_t> ids) {
  if (!list.is_array() || list.size() == 0) return std::nullopt;
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < list.size(); ++i) {
    const absl::StatusOr<int64_t> token = list[i].AsInt(ids.min, ids.max);
    if (!token.ok()) return std::nullopt;
    tokens.push_back(static_cast<TokenId>(*token));
  }
  return tokens;
}

std::optional<std::vector<std::vector<TokenId>>> ReadBadWords(ConfigFields& fields,
                                                              Range<int32_t> ids) {
  constexpr std::string_view kName = "bad_words_ids";
  if (!fields.Has(kName)) return std::nullopt;
  const JsonView list = fields.Get(kName);
  if (!list.is_array()) fields.Reject(kName, "must be lists of token ids");
  std::vector<std::vector<TokenId>> words;
  for (size_t i = 0; i < list.size(); ++i) {
    auto word = TokensIn(list[i], ids);
    if (!word) {
      fields.Reject(kName, "must be lists of token ids");
      return std::nullopt;
    }
    words.push_back(*std::move(word));
  }
  return words;
}

// [[[10, 45], -2.0], [[64], -7.5]].
std::optional<std::vector<SequenceBias>> ReadSequenceBias(ConfigFields& fields,
                                                          Range<int32_t> ids) {
  constexpr std::string_view kName = "sequence_bias";
  if (!fields.Has(kName)) return std::nullopt;
  const JsonView list = fields.Get(kName);
  if (!list.is_array()) fields.Reject(kName, "must be pairs of token ids and a bias");
  std::vector<SequenceBias> biases;
  for (size_t i = 0; i < list.size(); ++i) {
    auto tokens = TokensIn(list[i][size_t{0}], ids);
    const absl::StatusOr<double> bias = list[i][size_t{1}].AsDouble();
    if (!tokens || !bias.ok() || list[i].size() != 2) {
      fields.Reject(kName, "must be pairs of token ids and a bias");
      return std::nullopt;
    }
    biases.push_back({*std::move(tokens), static_cast<float>(*bias)});
  }
  return biases;
}

// [30, 1.05].
std::optional<LengthDecay> ReadLengthDecay(ConfigFields& fields) {
  constexpr std::string_view kName = "exponential_decay_length_penalty";
  if (!fields.Has(kName)) return std::nullopt;
  const JsonView pair = fields.Get(kName);
  const absl::StatusOr<int64_t> start = pair[size_t{0}].AsInt(0, kMaxInt);
  const absl::StatusOr<double> factor = pair[size_t{1}].AsDouble();
  if (!start.ok() || !factor.ok() || pair.size() != 2) {
    fields.Reject(kName, "must be a number of tokens and a factor");
    return std::nullopt;
  }
  return LengthDecay{static_cast<int32_t>(*start), static_cast<float>(*factor)};
}

void ReadLengths(ConfigFields& fields, GenerationOptions& options) {
  options.max_new_tokens = fields.Int("max_new_tokens", kPositive);
  options.max_length = fields.Int("max_length", kPositive);
  options.min_new_tokens = fields.Int("min_new_tokens", kNonNegative);
  options.min_length = fields.Int("min_length", kNonNegative);
}

// Any number: ResolveOptions judges what sampling uses, and without it a temperature of 0 is fine.
void ReadSampling(ConfigFields& fields, GenerationOptions& options) {
  constexpr Range<float> kAny = {.min = -kMaxFloat, .max = kMaxFloat};
  options.do_sample = fields.Bool("do_sample");
  options.temperature = fields.Float("temperature", kAny);
  options.top_k = fields.Int("top_k", {-kMaxInt, kMaxInt});
  options.top_p = fields.Float("top_p", kAny);
  options.min_p = fields.Float("min_p", kAny);
  options.typical_p = fields.Float("typical_p", kAny);
  options.epsilon_cutoff = fields.Float("epsilon_cutoff", kAny);
  options.eta_cutoff = fields.Float("eta_cutoff", kAny);
}

void ReadProcessors(ConfigFields& fields, Range<int32_t> ids, GenerationOptions& options) {
  options.repetition_penalty = fields.Float("repetition_penalty", kPositiveNumber);
  options.encoder_repetition_penalty = fields.Float("encoder_repetition_penalty", kPositiveNumber);
  options.no_repeat_ngram_size = fields.Int("no_repeat_ngram_size", kNonNegative);
  options.encoder_no_repeat_ngram_size = fields.Int("encoder_no_repeat_ngram_size", kNonNegative);
  options.suppress_tokens = fields.Ints("suppress_tokens", ids);
  options.begin_suppress_tokens = fields.Ints("begin_suppress_tokens", ids);
  options.bad_words_ids = ReadBadWords(fields, ids);
  options.sequence_bias = ReadSequenceBias(fields, ids);
  options.exponential_decay_length_penalty = ReadLengthDecay(fields);
  options.forced_bos_token_id = ReadToken(fields, "forced_bos_token_id", ids);
  options.forced_eos_token_id = ReadToken(fields, "forced_eos_token_id", ids);
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
  ReadProcessors(fields, ids, options);
  options.stop_sequences = fields.Strings("stop_strings");
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

std::vector<std::string> UnknownGenerationFields(const ConfigFields& fields) {
  std::vector<std::string> names = fields.Unread();
  std::erase_if(names, [](const std::string& name) {
    return std::find(std::begin(kWithoutEffect), std::end(kWithoutEffect), name) !=
           std::end(kWithoutEffect);
  });
  return names;
}

}  // namespace transept
