// Log-probabilities of given targets and pooled encoder states, through the whole engine: each
// alone, and all of them while others generate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "tests/support/collecting_sink.h"

namespace transept {
namespace {

using nlohmann::json;

constexpr char kFolder[] = "tests/data/goldens/";
constexpr float kTolerance = 1e-4f;

// The variants that have scores of tools/goldens/scores.py, sorted.
std::vector<std::string> Variants() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (exists(entry.path() / "scores.json")) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A request, and the numbers that it must come to.
struct Case {
  Request request;
  std::vector<std::vector<float>> expected;  // of each target, or the one state
};

std::vector<float> NumbersOf(const Hypothesis& target) {
  std::vector<float> logprobs;
  for (const GeneratedToken& token : target.tokens) logprobs.push_back(token.logprob);
  return logprobs;
}

class ScoreGoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string folder = kFolder + GetParam();
    std::ifstream file(folder + "/scores.json");
    golden_ = json::parse(file);
    const auto checkpoint = Checkpoint::Open(folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    config::EngineConfig config;
    config.device = TRANSEPT_GOLDEN_DEVICE;
    config.dtype = "float32";
    config.threads = 2;
    config.block_size = 4;
    config.kv_cache_mib = 8;
    config.max_rows = 7;  // fewer than there are tokens to score in a step
    config.max_encoder_tokens = 128;
    config.max_source_tokens = 128;
    config.max_new_tokens = 128;
    auto engine = Engine::Create(config, **checkpoint, nullptr);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  // Each target in a request of its own, or those of the same source together.
  std::vector<Case> Scores(bool together) const {
    std::vector<Case> cases;
    for (const json& given : golden_["scores"]) {
      const auto source = given["source"].get<std::vector<TokenId>>();
      if (!together || cases.empty() || cases.back().request.source != source) {
        cases.emplace_back().request.source = source;
      }
      cases.back().request.targets.push_back(given["target"]);
      cases.back().expected.push_back(given["logprobs"]);
    }
    return cases;
  }

  std::vector<Case> States() const {
    std::vector<Case> cases;
    for (const json& given : golden_["states"]) {
      for (const auto& [name, pooling] : {std::pair{"mean", Pooling::kMean},
                                          {"first", Pooling::kFirst},
                                          {"last", Pooling::kLast}}) {
        Case& added = cases.emplace_back();
        added.request.source = given["source"].get<std::vector<TokenId>>();
        added.request.pooling = pooling;
        added.expected.push_back(given[name]);
      }
    }
    return cases;
  }

  std::shared_ptr<CollectingSink> Submit(const Request& request) {
    auto sink = std::make_shared<CollectingSink>();
    const auto id = engine_->Submit(request, sink);
    EXPECT_TRUE(id.ok()) << id.status();
    return sink;
  }

  void Expect(const Case& c, CollectingSink* sink) {
    SCOPED_TRACE(::testing::Message() << c.request.source.size() << " source tokens, "
                                      << c.request.targets.size() << " targets");
    const absl::StatusOr<Result> result = sink->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    std::vector<std::vector<float>> numbers;
    for (const Hypothesis& target : result->hypotheses) numbers.push_back(NumbersOf(target));
    if (c.request.pooling) numbers.push_back(result->states);
    ASSERT_EQ(numbers.size(), c.expected.size());
    for (size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(numbers[i].size(), c.expected[i].size());
      double sum = 0.0;
      for (size_t j = 0; j < numbers[i].size(); ++j) {
        const float expected = c.expected[i][j];
        sum += expected;
        EXPECT_NEAR(numbers[i][j], expected, kTolerance * std::max(1.0f, std::abs(expected)))
            << "target " << i << " number " << j;
      }
      if (c.request.pooling) continue;
      EXPECT_EQ(TokensOf(result->hypotheses[i]), c.request.targets[i]);
      EXPECT_NEAR(result->hypotheses[i].score, sum, kTolerance * std::max(1.0, std::abs(sum)));
    }
  }

  void ExpectAlone(const std::vector<Case>& cases) {
    for (const Case& c : cases) Expect(c, Submit(c.request).get());
  }

  json golden_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(ScoreGoldenTest, EachTargetAlone) {
  ExpectAlone(Scores(/*together=*/false));
}

TEST_P(ScoreGoldenTest, TargetsOfASourceTogether) {
  ExpectAlone(Scores(/*together=*/true));
}

TEST_P(ScoreGoldenTest, PooledStates) {
  ExpectAlone(States());
}

// Pooling takes its numbers from these.
TEST_P(ScoreGoldenTest, AllStates) {
  for (const Case& c : States()) {
    if (c.request.pooling != Pooling::kMean) continue;
    Request request = c.request;
    request.pooling = Pooling::kAll;
    const absl::StatusOr<Result> result = Submit(request)->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    const size_t width = engine_->spec().d_model;
    ASSERT_EQ(result->states.size(), request.source.size() * width);
    for (size_t i = 0; i < width; ++i) {
      double sum = 0.0;
      for (size_t at = i; at < result->states.size(); at += width) sum += result->states[at];
      EXPECT_NEAR(sum / request.source.size(), c.expected[0][i], kTolerance);
    }
  }
}

TEST_P(ScoreGoldenTest, WhileOthersGenerate) {
  std::vector<Case> cases = Scores(/*together=*/true);
  for (const auto& more : {Scores(/*together=*/false), States()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  std::vector<std::shared_ptr<CollectingSink>> generating;
  for (const Case& c : cases) {
    Request other;
    other.source = c.request.source;
    other.params.max_new_tokens = other.params.min_new_tokens = 20;
    other.params.eos_tokens = {1};
    generating.push_back(Submit(other));
    sinks.push_back(Submit(c.request));
  }
  for (size_t i = 0; i < cases.size(); ++i) Expect(cases[i], sinks[i].get());
  for (const auto& sink : generating) EXPECT_TRUE(sink->Wait().ok());
  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(stats.blocks_used, stats.blocks_cached);
  EXPECT_GT(stats.sources_reused, 0u);
}

INSTANTIATE_TEST_SUITE_P(Variants, ScoreGoldenTest, ::testing::ValuesIn(Variants()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
