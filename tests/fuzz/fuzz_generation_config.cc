// Any bytes as generation_config.json: what a request without options of its own is then decoded
// with is in the ranges that engine/types/generation.h states.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/checkpoint/config_fields.h"
#include "engine/checkpoint/generation_config.h"
#include "engine/decode/options.h"
#include "engine/types/require.h"

namespace {

using transept::DecodeParams;
using transept::Require;
using Tokens = std::vector<transept::TokenId>;

constexpr int32_t kVocabulary = 1000;
constexpr int32_t kMaxNewTokens = 64;
constexpr int32_t kMaxRows = 8;

void CheckTokens(const Tokens& tokens) {
  for (const transept::TokenId token : tokens) {
    Require(token >= 0 && token < kVocabulary, "token outside the vocabulary");
  }
}

void CheckLengthsAndRows(const DecodeParams& params) {
  Require(params.max_new_tokens >= 1 && params.max_new_tokens <= kMaxNewTokens, "max_new_tokens");
  Require(params.min_new_tokens >= 0 && params.min_new_tokens <= params.max_new_tokens,
          "min_new_tokens");
  Require(params.num_beams >= 1 && params.num_beams <= kMaxRows, "num_beams");
  const int32_t most = params.beam_search() ? params.num_beams : kMaxRows;
  Require(params.num_sequences >= 1 && params.num_sequences <= most, "num_sequences");
  Require(params.beam_candidates() <= transept::kMaxBeamCandidates || !params.beam_search(),
          "continuations of a step");
  Require(std::isfinite(params.length_penalty), "length_penalty");
}

void CheckSampling(const DecodeParams& params) {
  const auto share = [](float value) { return value > 0 && value <= 1; };
  Require(params.temperature > 0 && std::isfinite(params.temperature), "temperature");
  Require(params.top_k >= 0, "top_k");
  Require(share(params.top_p), "top_p");
  Require(params.min_p >= 0 && params.min_p <= 1, "min_p");
  Require(share(params.typical_p), "typical_p");
  Require(params.epsilon_cutoff >= 0 && params.epsilon_cutoff < 1, "epsilon_cutoff");
  Require(params.eta_cutoff >= 0 && params.eta_cutoff < 1, "eta_cutoff");
}

void CheckProcessors(const DecodeParams& params) {
  const auto factor = [](float value) { return value > 0 && std::isfinite(value); };
  Require(factor(params.repetition_penalty), "repetition_penalty");
  Require(factor(params.encoder_repetition_penalty), "encoder_repetition_penalty");
  Require(params.no_repeat_ngram_size >= 0, "no_repeat_ngram_size");
  Require(params.encoder_no_repeat_ngram_size >= 0, "encoder_no_repeat_ngram_size");
  CheckTokens(params.suppress_tokens);
  CheckTokens(params.begin_suppress_tokens);
  Require(!params.eos_tokens.empty(), "no end of sequence");
  CheckTokens(params.eos_tokens);
  CheckTokens({params.forced_bos_token.value_or(0), params.forced_eos_token.value_or(0)});
  for (const Tokens& word : params.bad_words) {
    Require(!word.empty(), "an empty word");
    CheckTokens(word);
  }
  for (const transept::SequenceBias& sequence : params.sequence_bias) {
    Require(!sequence.tokens.empty() && std::isfinite(sequence.bias), "a bias of a sequence");
    CheckTokens(sequence.tokens);
  }
  if (params.length_decay) {
    Require(params.length_decay->start_index >= 0 && factor(params.length_decay->decay_factor),
            "length decay");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json =
      transept::JsonDocument::Parse(text, "generation_config.json", transept::kConfigLimits);
  if (!json.ok()) return 0;
  transept::ConfigFields fields(json->root());
  const transept::GenerationDefaults defaults = ReadGenerationConfig(fields, kVocabulary);
  if (!fields.status().ok()) return 0;
  Require(!defaults.eos_tokens || !defaults.eos_tokens->empty(), "no end of sequence");

  transept::ModelSpec model;
  model.vocab_size = kVocabulary;
  model.eos_tokens = defaults.eos_tokens.value_or(Tokens{1});
  const transept::GenerationOptions* const layers[] = {&defaults.options};
  const auto params = transept::ResolveOptions(
      {}, layers, {.model = &model, .max_new_tokens = kMaxNewTokens, .max_rows = kMaxRows}, {});
  if (!params.ok()) return 0;
  CheckLengthsAndRows(*params);
  CheckSampling(*params);
  CheckProcessors(*params);
  return 0;
}
