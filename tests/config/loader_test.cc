#include "config/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace transept::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(std::string_view yaml) {
  absl::StatusOr<Config> config = Parse(yaml, "f.yaml");
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(Parse, EmptyTextIsTheDefaults) {
  for (const char* text : {"", "\n", "# only a comment\n", "{}", "server:\nmodels: []\n"}) {
    absl::StatusOr<Config> config = Parse(text, "f.yaml");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(*config, Config{}) << text;
  }
}

TEST(Parse, ReadsEveryKindOfSetting) {
  absl::StatusOr<Config> config = Parse(R"(
server: {listen: "[::1]:0", drain_seconds: 2.5, log_level: 'debug'}
models:
  - path: /models/a
    name: 7
    engine:
      kv_cache_mib: 8192
      source_cache: false
    generation:
      temperature: 0.5
      do_sample: true
      seed: 18446744073709551615
      suppress_tokens: [1, 2]
      bad_words_ids: [[5], [6, 7]]
      sequence_bias:
        - {tokens: [8, 9], bias: -2.5}
        - tokens: [10]
          bias: 3
      exponential_decay_length_penalty: {start_index: 30, decay_factor: 1.5}
      stop_sequences: ["\n", end]
      top_k: null
)",
                                        "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server.listen, "[::1]:0");
  EXPECT_EQ(config->server.drain_seconds, 2.5);
  EXPECT_EQ(config->server.log_level, "debug");
  ASSERT_EQ(config->models.size(), 1u);
  const ModelConfig& model = config->models[0];
  EXPECT_EQ(model.name, "7");
  EXPECT_EQ(model.engine.kv_cache_mib, 8192);
  EXPECT_FALSE(model.engine.source_cache);
  EXPECT_EQ(model.engine.max_rows, EngineConfig{}.max_rows);
  EXPECT_EQ(model.generation.temperature, 0.5f);
  EXPECT_EQ(model.generation.seed, 18446744073709551615u);
  EXPECT_THAT(*model.generation.suppress_tokens, ElementsAre(1, 2));
  EXPECT_THAT(*model.generation.bad_words_ids, ElementsAre(ElementsAre(5), ElementsAre(6, 7)));
  EXPECT_THAT(*model.generation.sequence_bias,
              ElementsAre(SequenceBias{{8, 9}, -2.5f}, SequenceBias{{10}, 3.0f}));
  EXPECT_TRUE(model.generation.exponential_decay_length_penalty ==
              (ExponentialDecayLengthPenalty{30, 1.5f}));
  EXPECT_THAT(*model.generation.stop_sequences, ElementsAre("\n", "end"));
  EXPECT_EQ(model.generation.top_k, std::nullopt);
  EXPECT_EQ(model.generation.num_beams, std::nullopt);
}

TEST(Parse, NamesFileLineColumnSettingValueAndLimit) {
  EXPECT_EQ(ErrorOf("server:\n  drain_seconds: -1\n"),
            "f.yaml:2:18: server.drain_seconds: -1 is out of range: must be 0 to 86400");
  EXPECT_EQ(ErrorOf("models:\n- path: a\n  engine:\n    threads: many\n"),
            "f.yaml:4:14: models[0].engine.threads: expected an integer, got \"many\"");
  EXPECT_EQ(ErrorOf("models: [{engine: {device: tpu}}]"),
            "f.yaml:1:28: models[0].engine.device: expected one of cpu, cuda, got \"tpu\"");
}

TEST(Parse, RefusesUnknownAndRepeatedSettings) {
  EXPECT_THAT(ErrorOf("server:\n  drain_second: 1\n"),
              AllOf(StartsWith("f.yaml:2:3: server: unknown setting \"drain_second\""),
                    HasSubstr("drain_seconds")));
  EXPECT_THAT(ErrorOf("sever: {}"), HasSubstr("known here: server, models"));
  EXPECT_THAT(ErrorOf("server: {log_level: info, log_level: warn}"), HasSubstr("given twice"));
  EXPECT_THAT(ErrorOf("server: {[1]: 2}"), HasSubstr("unknown setting a list"));
  EXPECT_THAT(ErrorOf("server: {<<: {log_level: info}}"), HasSubstr("unknown setting \"<<\""));
}

struct Bad {
  const char* yaml;
  const char* message;
};

class ParseRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(ParseRefuses, WithAnExplanation) {
  EXPECT_THAT(ErrorOf(GetParam().yaml), HasSubstr(GetParam().message)) << GetParam().yaml;
}

INSTANTIATE_TEST_SUITE_P(
    Types, ParseRefuses,
    ::testing::Values(
        Bad{"server: 5", "server: expected a map of settings, got \"5\""},
        Bad{"- 1", "expected a map of settings, got a list"},
        Bad{"models: {path: a}", "models: expected a list, got a map"},
        Bad{"server: {tokenizer_threads: 1.5}", "expected an integer, got \"1.5\""},
        Bad{"server: {tokenizer_threads: \"2\"}", "expected an integer, got \"2\""},
        Bad{"server: {tokenizer_threads: 99999999999}", "expected an integer"},
        Bad{"server: {tokenizer_threads: null}", "expected an integer, got null"},
        Bad{"server: {tokenizer_threads: [1]}", "expected an integer, got a list"},
        Bad{"server: {drain_seconds: .nan}", "expected a number"},
        Bad{"server: {drain_seconds: nan}", "out of range"},
        Bad{"server: {drain_seconds: inf}", "out of range"},
        Bad{"server: {drain_seconds: 1e999}", "out of range"},
        Bad{"server: {log_level: }", "expected text, got null"},
        Bad{"models: [{engine: {source_cache: yes}}]", "expected true or false, got \"yes\""},
        Bad{"models: [{engine: {source_cache: 1}}]", "expected true or false, got \"1\""},
        Bad{"models: [null, 5]", "models[1]: expected a map of settings"},
        Bad{"models: [{generation: {suppress_tokens: [1, x]}}]", "suppress_tokens[1]: expected"},
        Bad{"models: [{generation: {suppress_tokens: [-1]}}]", "suppress_tokens[0]: -1 is out"},
        Bad{"models: [{generation: {bad_words_ids: [[1], [2, -1]]}}]",
            "bad_words_ids[1][1]: -1 is out"},
        Bad{"models: [{generation: {sequence_bias: [{token: 1}]}}]",
            "sequence_bias[0]: unknown setting \"token\"; known here: tokens, bias"}));

INSTANTIATE_TEST_SUITE_P(
    Ranges, ParseRefuses,
    ::testing::Values(Bad{"server: {tokenizer_threads: 0}", "0 is out of range: must be 1 to 256"},
                      Bad{"models: [{engine: {block_size: 0}}]", "must be 1 to"},
                      Bad{"models: [{generation: {temperature: 0}}]",
                          "0 is out of range: must be above 0"},
                      Bad{"models: [{generation: {top_p: 0}}]", "must be above 0, at most 1"},
                      Bad{"models: [{generation: {top_p: 1.01}}]", "must be above 0, at most 1"},
                      Bad{"models: [{generation: {epsilon_cutoff: 1}}]",
                          "1 is out of range: must be at least 0, below 1"},
                      Bad{"models: [{generation: {num_beams: 17}}]", "must be 1 to 16"},
                      Bad{"models: [{generation: {temperature: inf}}]", "out of range"},
                      Bad{"models: [{generation: {seed: -1}}]", "expected an integer of 0 to"}));

INSTANTIATE_TEST_SUITE_P(Addresses, ParseRefuses,
                         ::testing::Values(Bad{"server: {listen: 50051}", "expected HOST:PORT"},
                                           Bad{"server: {listen: ':1'}", "expected HOST:PORT"},
                                           Bad{"server: {listen: 'a:'}", "expected HOST:PORT"},
                                           Bad{"server: {listen: 'a:65536'}", "expected HOST:PORT"},
                                           Bad{"server: {listen: 'a:-1'}", "expected HOST:PORT"},
                                           Bad{"server: {listen: '::1:80'}", "expected HOST:PORT"},
                                           Bad{"server: {listen: '[a]:80'}", "expected HOST:PORT"},
                                           Bad{"server: {listen: 'a:99999999999999999999'}",
                                               "expected HOST:PORT"}));

INSTANTIATE_TEST_SUITE_P(
    Hostile, ParseRefuses,
    ::testing::Values(Bad{"server: &x {}\nmodels: *x", "f.yaml:1:9: anchors are not accepted"},
                      Bad{"models: *x", "f.yaml:1:9:"},
                      Bad{"server: !!binary aGk=", "tags are not accepted"},
                      Bad{"server: !new {}", "tags are not accepted"},
                      Bad{"server: {}\n---\nserver: {}\n", "more than one YAML document"},
                      Bad{"models: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
                          "nested deeper than 16"},
                      Bad{"server:\n  log_level: \xc3\xa9\x80", "f.yaml:2:15: not UTF-8"},
                      Bad{"\xed\xa0\x80", "not UTF-8"}, Bad{"\xf0\x9f", "not UTF-8"},
                      Bad{"\xff\xfe\x61\x00", "not UTF-8"}, Bad{"server: {", "f.yaml:1:"},
                      Bad{"\tserver: x", "f.yaml:1:"}, Bad{"server: \"unfinished", "f.yaml:1:"},
                      Bad{"a: b: c", "f.yaml:1:"}));

TEST(Parse, BoundsItsInput) {
  EXPECT_THAT(ErrorOf(std::string(300'000, ' ')), HasSubstr("300000 bytes of settings, limit"));
  std::string many = "models: [";
  for (int i = 0; i < 20'000; ++i) many += "1,";
  EXPECT_THAT(ErrorOf(many + "]"), HasSubstr("more than 10000 values"));
  EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("nested deeper"));
  const std::string long_value = ErrorOf("server: {log_level: " + std::string(90'000, 'x') + "}");
  EXPECT_LT(long_value.size(), 300u);
  EXPECT_THAT(ErrorOf("server: {log_level: \"\\x1b[2J\\n\"}"), HasSubstr("\\x1b[2J\\n"));
}

TEST(Load, ReportsAFileThatIsNotThere) {
  EXPECT_EQ(Load("no/such.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Load("no/such.yaml").status().message()), HasSubstr("no/such.yaml"));
  EXPECT_FALSE(Load("config").ok()) << "a folder is not a settings file";
}

TEST(Load, NamesTheFile) {
  const std::string path = ::testing::TempDir() + "/loader_test.yaml";
  std::ofstream(path) << "server:\n  nothing: 1\n";
  EXPECT_THAT(std::string(Load(path).status().message()), StartsWith(path + ":2:3: server:"));
  std::remove(path.c_str());
}

TEST(Override, SetsOneSetting) {
  Config config;
  ASSERT_TRUE(Override("server.listen", "127.0.0.1:0", &config).ok());
  ASSERT_TRUE(Override("models.path", "a: b", &config).ok());
  ASSERT_TRUE(Override("models.engine.device", "cuda", &config).ok());
  ASSERT_TRUE(Override("models.generation.temperature", "0.25", &config).ok());
  ASSERT_EQ(config.models.size(), 1u);
  EXPECT_EQ(config.server.listen, "127.0.0.1:0");
  EXPECT_EQ(config.models[0].path, "a: b");
  EXPECT_EQ(config.models[0].engine.device, "cuda");
  EXPECT_EQ(config.models[0].generation.temperature, 0.25f);
}

TEST(Override, TakesListsMapsAndNull) {
  Config config;
  const auto set = [&](const std::string& option, const std::string& value) {
    return std::string(Override("models.generation." + option, value, &config).message());
  };
  EXPECT_EQ(set("suppress_tokens", "[1, 2, 3]"), "");
  EXPECT_EQ(set("suppress_tokens", "[4]"), "");
  EXPECT_EQ(set("stop_sequences", R"(["\n", end])"), "");
  EXPECT_EQ(set("exponential_decay_length_penalty", "{start_index: 3, decay_factor: 1.5}"), "");
  EXPECT_EQ(set("top_k", "5"), "");
  EXPECT_EQ(set("top_k", "null"), "");
  EXPECT_EQ(set("suppress_tokens", "[1, x]"),
            "models[0].generation.suppress_tokens[1]: expected an integer, got \"x\"");
  EXPECT_EQ(set("suppress_tokens", "5"),
            "models[0].generation.suppress_tokens: expected a list, got \"5\"");
  EXPECT_EQ(set("suppress_tokens", "[1"),
            "models[0].generation.suppress_tokens: expected a list, got \"[1\"");
  EXPECT_THAT(set("suppress_tokens", "[1, {]"), StartsWith("models.generation.suppress_tokens: "));
  EXPECT_THAT(set("suppress_tokens", "[&a 1]"), HasSubstr("anchors are not accepted"));
  const GenerationConfig& generation = config.models[0].generation;
  EXPECT_THAT(*generation.suppress_tokens, ElementsAre(4));
  EXPECT_THAT(*generation.stop_sequences, ElementsAre("\n", "end"));
  EXPECT_EQ(generation.exponential_decay_length_penalty->start_index, 3);
  EXPECT_EQ(generation.top_k, std::nullopt);
  // What is text stays as it is.
  ASSERT_TRUE(Override("server.listen", "[::1]:0", &config).ok());
  EXPECT_EQ(config.server.listen, "[::1]:0");
  ASSERT_TRUE(Override("models.path", "null", &config).ok());
  EXPECT_EQ(config.models[0].path, "null");
}

TEST(Override, ChecksLikeTheFileAndLeavesTheRestAlone) {
  Config config;
  config.models.resize(2);
  config.models[1].path = "second";
  const Config before = config;
  EXPECT_EQ(Override("server.listen", "nowhere", &config).message(),
            "server.listen: expected HOST:PORT with a port of 0 to 65535, got \"nowhere\"");
  EXPECT_EQ(Override("server.listen", "[::1]:70000", &config).message(),
            "server.listen: expected HOST:PORT with a port of 0 to 65535, got \"[::1]:70000\"");
  EXPECT_FALSE(Override("server.threads", "1", &config).ok());
  EXPECT_FALSE(Override("server", "1", &config).ok());
  EXPECT_FALSE(Override("", "1", &config).ok());
  EXPECT_FALSE(Override("models", "1", &config).ok());
  EXPECT_FALSE(Override("models.engine.threads", "-1", &config).ok());
  EXPECT_EQ(config, before);
  ASSERT_TRUE(Override("models.name", "first", &config).ok());
  EXPECT_EQ(config.models[0].name, "first");
  ASSERT_TRUE(Override("models[0].name", "also first", &config).ok()) << "as errors call it";
  EXPECT_EQ(config.models[0].name, "also first");
  EXPECT_EQ(config.models[1], before.models[1]);
}

TEST(Validate, WantsExactlyOneModelWithAFolderAndAFittingType) {
  Config config;
  EXPECT_THAT(std::string(Validate(config).message()), HasSubstr("--model-dir"));
  config.models.resize(1);
  EXPECT_THAT(std::string(Validate(config).message()), HasSubstr("models[0].path"));
  config.models[0].path = "models/x";
  EXPECT_TRUE(Validate(config).ok());
  config.models[0].engine = {.device = "cuda", .dtype = "int8"};
  EXPECT_THAT(std::string(Validate(config).message()), HasSubstr("models[0].engine.dtype"));
  config.models[0].engine.dtype = "bfloat16";
  EXPECT_TRUE(Validate(config).ok());
  config.models.resize(2);
  EXPECT_FALSE(Validate(config).ok());
}

}  // namespace
}  // namespace transept::config
