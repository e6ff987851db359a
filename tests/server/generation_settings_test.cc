#include "server/generation_settings.h"

#include <functional>
#include <string>
#include <vector>

#include "engine/types/generation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace transept::server {
namespace {

using config::GenerationConfig;

std::string ErrorOf(const std::function<void(GenerationConfig*)>& change) {
  config::Config config;
  config.models.resize(1);
  change(&config.models[0].generation);
  return std::string(CheckGenerationSettings(config).message());
}

TEST(GenerationSettingsTest, WhatRequestsMayNotAskForNoDefaultMay) {
  EXPECT_EQ(ErrorOf([](GenerationConfig* g) { g->num_beams = kMaxBeams + 1; }),
            "models[0].generation.num_beams: 17 is not allowed: it must be at most 16");
  EXPECT_EQ(ErrorOf([](GenerationConfig* g) { g->epsilon_cutoff = 1.0f; }),
            "models[0].generation.epsilon_cutoff: 1 is not allowed: it must be at least 0 and "
            "below 1");
  EXPECT_EQ(ErrorOf([](GenerationConfig* g) { g->max_new_tokens = 1025; }),
            "models[0].generation.max_new_tokens: 1025 is not allowed: it must be at most 1024");
  const std::vector<std::function<void(GenerationConfig*)>> bad = {
      [](GenerationConfig* g) { g->max_new_tokens = 5, g->min_new_tokens = 6; },
      [](GenerationConfig* g) { g->eos_token_ids.emplace(); },
      [](GenerationConfig* g) { g->bad_words_ids.emplace(1); },
      [](GenerationConfig* g) { g->suppress_tokens = {{3}}, g->forced_bos_token_id = 3; },
      [](GenerationConfig* g) {
        g->num_beams = 2, g->do_sample = false, g->num_return_sequences = 3;
      },
      [](GenerationConfig* g) { g->num_beams = 2, g->num_return_sequences = 3; },
  };
  for (const auto& change : bad) EXPECT_NE(ErrorOf(change), "");
}

TEST(GenerationSettingsTest, WhatOnlyAModelCanJudgeIsLeftToIt) {
  const std::vector<std::function<void(GenerationConfig*)>> good = {
      [](GenerationConfig*) {},
      [](GenerationConfig* g) { g->num_beams = kMaxBeams; },
      [](GenerationConfig* g) { g->num_beams = 3, g->num_return_sequences = 3; },
      [](GenerationConfig* g) { g->num_return_sequences = 4; },
      [](GenerationConfig* g) { g->num_return_sequences = 4, g->do_sample = false; },
      [](GenerationConfig* g) { g->min_new_tokens = 200; },
      [](GenerationConfig* g) { g->eos_token_ids = {{1'000'000}}; },
      [](GenerationConfig* g) { g->stop_sequences = {{"end"}}; },
  };
  for (const auto& change : good) EXPECT_EQ(ErrorOf(change), "");
}

}  // namespace
}  // namespace transept::server
