// Any bytes as generation_config.json: accepted options are in the ranges that
// engine/types/generation.h states.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/checkpoint/config_fields.h"
#include "engine/checkpoint/generation_config.h"
#include "engine/types/require.h"

namespace {

constexpr int32_t kVocabulary = 1000;

using Tokens = std::vector<transept::TokenId>;

void CheckTokens(const std::optional<Tokens>& tokens) {
  for (const transept::TokenId token : tokens.value_or(Tokens())) {
    transept::Require(token >= 0 && token < kVocabulary, "token outside the vocabulary");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using transept::Require;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json =
      transept::JsonDocument::Parse(text, "generation_config.json", transept::kConfigLimits);
  if (!json.ok()) return 0;
  transept::ConfigFields fields(json->root());
  const transept::GenerationDefaults defaults = ReadGenerationConfig(fields, kVocabulary);
  if (!fields.status().ok()) return 0;
  const transept::GenerationOptions& options = defaults.options;
  Require(options.max_new_tokens.value_or(1) >= 1, "max_new_tokens");
  const float temperature = options.temperature.value_or(1.0f);
  Require(std::isfinite(temperature) && temperature > 0, "temperature");
  const float top_p = options.top_p.value_or(1.0f);
  Require(top_p > 0 && top_p <= 1, "top_p");
  Require(options.top_k.value_or(0) >= 0, "top_k");
  CheckTokens(options.suppress_tokens);
  CheckTokens(options.begin_suppress_tokens);
  for (const Tokens& word : options.bad_words_ids.value_or(std::vector<Tokens>())) {
    Require(!word.empty(), "an empty word");
    CheckTokens(word);
  }
  for (const transept::SequenceBias& sequence :
       options.sequence_bias.value_or(std::vector<transept::SequenceBias>())) {
    Require(!sequence.tokens.empty(), "an empty sequence");
    CheckTokens(sequence.tokens);
  }
  CheckTokens(defaults.eos_tokens);
  Require(!defaults.eos_tokens || !defaults.eos_tokens->empty(), "no end of sequence");
  return 0;
}
