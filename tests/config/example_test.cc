// config/transept.yaml documents every setting at its default, and ToYaml writes it.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "config/loader.h"

namespace transept::config {
namespace {

constexpr char kExample[] = "config/transept.yaml";

Config ExampleConfig() {
  Config config;
  config.models.resize(1);
  config.models[0].path = "models/itn-en-small";
  return config;
}

TEST(Example, HoldsTheDefaults) {
  absl::StatusOr<Config> config = Load(kExample);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(*config == ExampleConfig()) << ToYaml(*config);
}

// Hence it names every setting and states the ranges that the reader enforces. To renew it:
// build/release/bin/transept-server --model-dir models/itn-en-small --check-config
TEST(Example, IsWhatToYamlWrites) {
  std::ostringstream text;
  text << std::ifstream(kExample).rdbuf();
  EXPECT_EQ(text.str(), ToYaml(ExampleConfig()));
}

TEST(ToYaml, IsReadBackToTheSameSettings) {
  Config config = ExampleConfig();
  config.server.drain_seconds = 0.1;
  config.server.listen = "[::]:0";
  config.models[0].name = "null";
  config.models[0].path = "odd: # \"path\"\n'\\ \xc3\xa9";
  config.models[0].engine.kv_cache_mib = 12345678;
  config.models[0].engine.source_cache = false;
  config.models[0].generation.seed = 18446744073709551615u;
  config.models[0].generation.temperature = 0.7f;
  config.models[0].generation.do_sample = false;
  config.models[0].generation.early_stopping = "true";
  config.models[0].generation.suppress_tokens = {{0, 2147483647}};
  config.models[0].generation.begin_suppress_tokens.emplace();
  config.models[0].generation.bad_words_ids = {{{5}, {6, 7}, {}}};
  config.models[0].generation.bad_words = {{"a: b", "é"}};
  config.models[0].generation.sequence_bias = {{{{5, 6}, -0.5f}, {{}, 1e9f}}};
  config.models[0].generation.exponential_decay_length_penalty = {3, 1.5f};
  config.models[0].generation.stop_sequences = {{"", "\n\n", "- x", "~"}};
  absl::StatusOr<Config> again = Parse(ToYaml(config), "again");
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << ToYaml(config);
  EXPECT_TRUE(*again == config) << ToYaml(*again);
  EXPECT_TRUE(Parse(ToYaml(Config{}), "none").value() == Config{});
}

}  // namespace
}  // namespace transept::config
