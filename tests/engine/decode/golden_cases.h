// The cases of tests/data/goldens/decode_chain.json, written by tools/goldens/decode_chain.py.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/decode/processors.h"
#include "engine/types/generation.h"

namespace transept {

struct GoldenCase {
  std::string description;  // the options as JSON
  DecodeParams params;      // do_sample unset
  std::vector<TokenId> history;
  std::vector<TokenId> source;
  int32_t prompt_length = 1;
  std::vector<float> scores;
  std::vector<float> processed;  // after the processors
  TokenId greedy = 0;
  // Token and probability after the warpers, by token; empty when the case has none.
  std::vector<std::pair<TokenId, double>> probabilities;

  DecodeContext context() const {
    return {.history = history, .source = source, .prompt_length = prompt_length};
  }
};

std::vector<GoldenCase> LoadGoldenCases();

}  // namespace transept
