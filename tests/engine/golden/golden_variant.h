// The cases of tests/data/goldens/<variant>/cases.json, written by tools/make_goldens.py.
#pragma once

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

struct GoldenGeneration {
  std::string description;  // the options as JSON
  std::vector<TokenId> source;
  std::vector<TokenId> prefix;
  GenerationOptions options;
  std::vector<TokenId> tokens;
  FinishReason finish = FinishReason::kLength;
  float score = 0.0f;
};

struct GoldenVariant {
  std::string folder;  // of the checkpoint
  std::vector<GoldenEncoding> encodings;
  std::vector<GoldenSteps> steps;
  std::vector<GoldenGeneration> generations;
};

// The names of all variants, sorted.
std::vector<std::string> GoldenVariantNames();

GoldenVariant LoadGoldenVariant(const std::string& name);

}  // namespace transept
