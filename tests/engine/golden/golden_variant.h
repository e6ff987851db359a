// The cases of tests/data/goldens/<variant>: cases.json, written by tools/goldens/checkpoints.py,
// and of some variants beams.json, processors.json, samples.json and stops.json, by the files of
// these names there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/types/generation.h"
#include "engine/types/result.h"

namespace transept {

struct GoldenEncoding {
  std::vector<TokenId> source;
  std::map<int, std::vector<float>> rows;  // some rows of the encoder's output, by position
  float mean = 0.0f;                       // of the whole output
  float rms = 0.0f;
};

struct GoldenSteps {
  std::vector<TokenId> source;
  std::vector<TokenId> tokens;             // fed one after the other
  std::vector<std::vector<float>> logits;  // [i]: after the first i of them
};

// How far log-probabilities of the steps are off when transformers computes them in `dtype`.
struct GoldenRounding {
  std::string dtype;
  float median = 0.0f;   // over the steps, of a step's root mean square
  float largest = 0.0f;  // of all
};

struct GoldenGeneration {
  std::string description;  // the options as JSON
  std::vector<TokenId> source;
  std::vector<TokenId> prefix;
  GenerationOptions options;
  std::vector<TokenId> tokens;
  FinishReason finish = FinishReason::kLength;
  float score = 0.0f;
};

// A request with several outputs: a beam search, also with drawn candidates, or samples.
struct GoldenSearch {
  struct Output {
    std::vector<TokenId> tokens;
    FinishReason finish = FinishReason::kLength;
    float score = 0.0f;
    // With top_logprobs, of every token and of a final EOS:
    std::vector<float> logprobs = {};
    std::vector<std::vector<TokenLogprob>> top = {};  // the most likely, best first
  };

  std::string description;  // the options as JSON
  std::vector<TokenId> source;
  std::vector<TokenId> prefix;
  GenerationOptions options;
  int32_t top_logprobs = 0;
  std::vector<Output> outputs;
};

struct GoldenVariant {
  std::string folder;  // of the checkpoint
  std::vector<GoldenEncoding> encodings;
  std::vector<GoldenSteps> steps;
  std::vector<GoldenRounding> rounding;
  std::vector<GoldenGeneration> generations;
  std::vector<GoldenSearch> searches;
  std::vector<GoldenSearch> several;  // samples
  std::string tokenizer;              // folder, where there are searches with stop sequences
};

// The names of all variants, sorted; or of those with searches.
std::vector<std::string> GoldenVariantNames();
std::vector<std::string> GoldenSearchVariantNames();

GoldenVariant LoadGoldenVariant(const std::string& name);

}  // namespace transept
