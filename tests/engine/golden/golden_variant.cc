#include "tests/engine/golden/golden_variant.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

namespace transept {
namespace {

using nlohmann::json;

constexpr char kFolder[] = "tests/data/goldens";

template <typename T>
void Read(const json& options, const char* name, std::optional<T>* value) {
  if (options.contains(name)) *value = options[name].get<T>();
}

std::optional<EarlyStopping> ParseEarlyStopping(const json& options) {
  if (!options.contains("early_stopping")) return std::nullopt;
  const json& given = options["early_stopping"];
  if (given == "never") return EarlyStopping::kNever;
  return given ? EarlyStopping::kTrue : EarlyStopping::kFalse;
}

GenerationOptions ParseOptions(const json& given) {
  GenerationOptions options;
  Read(given, "max_new_tokens", &options.max_new_tokens);
  Read(given, "max_length", &options.max_length);
  Read(given, "min_new_tokens", &options.min_new_tokens);
  Read(given, "min_length", &options.min_length);
  Read(given, "num_beams", &options.num_beams);
  Read(given, "num_return_sequences", &options.num_return_sequences);
  Read(given, "length_penalty", &options.length_penalty);
  options.early_stopping = ParseEarlyStopping(given);
  Read(given, "renormalize_logits", &options.renormalize_logits);
  Read(given, "do_sample", &options.do_sample);
  Read(given, "temperature", &options.temperature);
  Read(given, "top_k", &options.top_k);
  Read(given, "top_p", &options.top_p);
  Read(given, "min_p", &options.min_p);
  Read(given, "typical_p", &options.typical_p);
  Read(given, "epsilon_cutoff", &options.epsilon_cutoff);
  Read(given, "eta_cutoff", &options.eta_cutoff);
  Read(given, "seed", &options.seed);
  Read(given, "repetition_penalty", &options.repetition_penalty);
  Read(given, "encoder_repetition_penalty", &options.encoder_repetition_penalty);
  Read(given, "no_repeat_ngram_size", &options.no_repeat_ngram_size);
  Read(given, "encoder_no_repeat_ngram_size", &options.encoder_no_repeat_ngram_size);
  Read(given, "bad_words_ids", &options.bad_words_ids);
  if (given.contains("sequence_bias")) {
    options.sequence_bias.emplace();
    for (const json& pair : given["sequence_bias"]) {
      options.sequence_bias->push_back({pair[0].get<std::vector<TokenId>>(), pair[1]});
    }
  }
  if (given.contains("exponential_decay_length_penalty")) {
    const json& decay = given["exponential_decay_length_penalty"];
    options.exponential_decay_length_penalty = {decay[0], decay[1]};
  }
  Read(given, "suppress_tokens", &options.suppress_tokens);
  Read(given, "begin_suppress_tokens", &options.begin_suppress_tokens);
  Read(given, "eos_token_ids", &options.eos_token_ids);
  Read(given, "forced_bos_token_id", &options.forced_bos_token_id);
  Read(given, "forced_eos_token_id", &options.forced_eos_token_id);
  Read(given, "stop_strings", &options.stop_sequences);
  return options;
}

GoldenEncoding ParseEncoding(const json& given) {
  GoldenEncoding encoding;
  encoding.source = given["source"].get<std::vector<TokenId>>();
  for (const auto& [row, values] : given["rows"].items()) {
    encoding.rows[std::stoi(row)] = values.get<std::vector<float>>();
  }
  encoding.mean = given["mean"];
  encoding.rms = given["rms"];
  return encoding;
}

GoldenSteps ParseSteps(const json& given) {
  return {.source = given["source"].get<std::vector<TokenId>>(),
          .tokens = given["tokens"].get<std::vector<TokenId>>(),
          .logits = given["logits"].get<std::vector<std::vector<float>>>()};
}

GoldenRounding ParseRounding(const json& given) {
  return {.dtype = given["dtype"], .median = given["median"], .largest = given["largest"]};
}

FinishReason ParseFinish(const json& given) {
  if (given == "stop") return FinishReason::kStopSequence;
  return given == "eos" ? FinishReason::kEos : FinishReason::kLength;
}

GoldenGeneration ParseGeneration(const json& given) {
  return {.description = given["options"].dump(),
          .source = given["source"].get<std::vector<TokenId>>(),
          .prefix = given["prefix"].get<std::vector<TokenId>>(),
          .options = ParseOptions(given["options"]),
          .tokens = given["tokens"].get<std::vector<TokenId>>(),
          .finish = ParseFinish(given["finish"]),
          .score = given["score"]};
}

GoldenSearch::Output ParseOutput(const json& given) {
  GoldenSearch::Output output{.tokens = given["tokens"].get<std::vector<TokenId>>(),
                              .finish = ParseFinish(given["finish"]),
                              .score = given["score"]};
  if (!given.contains("logprobs")) return output;
  output.logprobs = given["logprobs"].get<std::vector<float>>();
  for (const json& token : given["top"]) {
    std::vector<TokenLogprob>& top = output.top.emplace_back();
    for (const json& pair : token) top.push_back({.token = pair[0], .logprob = pair[1]});
  }
  return output;
}

GoldenSearch ParseSearch(const json& given) {
  GoldenSearch search{.description = given["options"].dump(),
                      .source = given["source"].get<std::vector<TokenId>>(),
                      .prefix = given["prefix"].get<std::vector<TokenId>>(),
                      .options = ParseOptions(given["options"]),
                      .top_logprobs = given["options"].value("top_logprobs", 0),
                      .outputs = {}};
  for (const json& output : given["outputs"]) search.outputs.push_back(ParseOutput(output));
  return search;
}

// The folders that hold `file`, sorted.
std::vector<std::string> VariantsWith(const char* file) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (std::filesystem::exists(entry.path() / file)) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<std::string> GoldenVariantNames() {
  return VariantsWith("cases.json");
}

std::vector<std::string> GoldenSearchVariantNames() {
  return VariantsWith("beams.json");
}

GoldenVariant LoadGoldenVariant(const std::string& name) {
  GoldenVariant variant;
  variant.folder = std::string(kFolder) + "/" + name;
  std::ifstream file(variant.folder + "/cases.json");
  const json cases = json::parse(file);
  for (const json& given : cases["encodings"]) variant.encodings.push_back(ParseEncoding(given));
  for (const json& given : cases["steps"]) variant.steps.push_back(ParseSteps(given));
  for (const json& given : cases["rounding"]) variant.rounding.push_back(ParseRounding(given));
  for (const json& given : cases["generations"]) {
    variant.generations.push_back(ParseGeneration(given));
  }
  for (const char* part : {"/beams.json", "/processors.json", "/samples.json"}) {
    std::ifstream more(variant.folder + part);
    if (!more.is_open()) continue;
    const json others = json::parse(more);
    for (const json& given : others.value("generations", json::array())) {
      variant.generations.push_back(ParseGeneration(given));
    }
    for (const json& given : others["searches"]) variant.searches.push_back(ParseSearch(given));
    for (const json& given : others.value("several", json::array())) {
      variant.several.push_back(ParseSearch(given));
    }
  }
  if (std::ifstream stops(variant.folder + "/stops.json"); stops.is_open()) {
    const json searches = json::parse(stops);
    variant.tokenizer = "tests/data/text/" + searches["tokenizers"][0].get<std::string>();
    for (const json& given : searches["searches"]) variant.searches.push_back(ParseSearch(given));
  }
  return variant;
}

}  // namespace transept
