#include "tests/engine/decode/golden_cases.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

namespace transept {
namespace {

using nlohmann::json;

// As ResolveOptions leaves them.
void ParseSequences(const json& options, DecodeParams& params) {
  using Tokens = std::vector<TokenId>;
  for (const Tokens& word : options.value("bad_words_ids", std::vector<Tokens>())) {
    if (word.size() == 1 && std::count(params.eos_tokens.begin(), params.eos_tokens.end(), word[0]))
      continue;
    params.bad_words.push_back(word);
  }
  for (const json& pair : options.value("sequence_bias", json::array())) {
    const SequenceBias given{pair[0].get<Tokens>(), pair[1]};
    std::erase_if(params.sequence_bias,
                  [&](const SequenceBias& other) { return other.tokens == given.tokens; });
    params.sequence_bias.push_back(given);
  }
  if (options.contains("exponential_decay_length_penalty")) {
    const json& decay = options["exponential_decay_length_penalty"];
    params.length_decay = {decay[0], decay[1]};
  }
}

DecodeParams ParseParams(const json& golden) {
  const json& options = golden["options"];
  const int32_t prompt_length = golden["prompt_length"];
  DecodeParams params;
  params.max_new_tokens = golden["max_new_tokens"];
  params.min_new_tokens = options.contains("min_new_tokens")
                              ? options["min_new_tokens"].get<int32_t>()
                              : std::max(0, options.value("min_length", 0) - prompt_length);
  params.temperature = options.value("temperature", 1.0f);
  params.top_k = options.value("top_k", 0);
  params.top_p = options.value("top_p", 1.0f);
  params.min_p = options.value("min_p", 0.0f);
  params.typical_p = options.value("typical_p", 1.0f);
  params.epsilon_cutoff = options.value("epsilon_cutoff", 0.0f);
  params.eta_cutoff = options.value("eta_cutoff", 0.0f);
  params.repetition_penalty = options.value("repetition_penalty", 1.0f);
  params.encoder_repetition_penalty = options.value("encoder_repetition_penalty", 1.0f);
  params.no_repeat_ngram_size = options.value("no_repeat_ngram_size", 0);
  params.encoder_no_repeat_ngram_size = options.value("encoder_no_repeat_ngram_size", 0);
  params.suppress_tokens = options.value("suppress_tokens", std::vector<TokenId>());
  params.begin_suppress_tokens = options.value("begin_suppress_tokens", std::vector<TokenId>());
  params.eos_tokens = options.value("eos_token_ids", std::vector<TokenId>{1});
  ParseSequences(options, params);
  if (options.contains("forced_bos_token_id")) {
    params.forced_bos_token = options["forced_bos_token_id"];
  }
  if (options.contains("forced_eos_token_id")) {
    params.forced_eos_token = options["forced_eos_token_id"];
  }
  return params;
}

}  // namespace

std::vector<GoldenCase> LoadGoldenCases() {
  std::ifstream file("tests/data/goldens/decode_chain.json");
  const json goldens = json::parse(file);
  std::vector<GoldenCase> cases;
  for (const json& golden : goldens["cases"]) {
    GoldenCase c;
    c.description = golden["options"].dump();
    c.params = ParseParams(golden);
    c.history = golden["history"].get<std::vector<TokenId>>();
    c.source = golden.value("source", std::vector<TokenId>());
    c.prompt_length = golden["prompt_length"];
    c.scores = golden["scores"].get<std::vector<float>>();
    if (!golden.contains("processed")) c.processed = c.scores;
    for (const json& score : golden.value("processed", json::array())) {
      c.processed.push_back(score.is_null() ? -std::numeric_limits<float>::infinity()
                                            : score.get<float>());
    }
    c.greedy = golden["greedy"];
    if (golden.contains("probabilities")) {
      c.probabilities = golden["probabilities"].get<std::vector<std::pair<TokenId, double>>>();
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace transept
