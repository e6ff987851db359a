// Beam search through the whole engine against transformers' own: each search alone, and all of
// them among greedy and sampling rows in batches that change at every step, in a pool so small that
// some are preempted.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/decode/options.h"
#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/golden/changing_load.h"
#include "tests/engine/golden/golden_request.h"
#include "tests/engine/golden/golden_variant.h"

namespace transept {
namespace {

// The build makes a program of this file for each device.
constexpr char kDevice[] = TRANSEPT_GOLDEN_DEVICE;
constexpr bool kOnCpu = kDevice[1] == 'p';

class BeamGoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden_ = LoadGoldenVariant(GetParam());
    auto checkpoint = Checkpoint::Open(golden_.folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    config_.device = kDevice;
    config_.dtype = "float32";
    config_.threads = 2;
    config_.block_size = 2;
    config_.kv_cache_mib = 1;
    config_.max_rows = 100;
    config_.max_encoder_tokens = 1024;  // a GPU takes no search that exceeds a step
    config_.max_source_tokens = 256;
    config_.max_new_tokens = 256;
    if (!golden_.tokenizer.empty()) {
      ModelSpec spec = checkpoint_->spec();
      spec.vocab_size = 1000;  // the tokenizer has more tokens than the model
      auto tokenizer = LoadTokenizer(golden_.tokenizer, spec);
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
      tokenizer_ = *std::move(tokenizer);
    }
    auto engine = Engine::Create(config_, *checkpoint_, tokenizer_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  void ExpectGolden(const GoldenSearch& search, const Job& job) {
    SCOPED_TRACE(testing::Message()
                 << search.source.size() << " source tokens, " << search.prefix.size()
                 << " prefix tokens, " << search.description);
    const absl::StatusOr<Result>& result = *job.result;
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->hypotheses.size(), search.outputs.size());
    for (size_t i = 0; i < search.outputs.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "output " << i);
      const Hypothesis& hypothesis = result->hypotheses[i];
      const GoldenSearch::Output& expected = search.outputs[i];
      std::vector<TokenId> tokens;
      double sum = 0;
      for (const GeneratedToken& token : hypothesis.tokens) {
        tokens.push_back(token.token);
        sum += token.logprob;
      }
      ASSERT_EQ(tokens, expected.tokens);
      EXPECT_EQ(hypothesis.finish_reason, expected.finish);
      const float tolerance = 1e-4f * std::max(1.0f, std::abs(expected.score));
      EXPECT_NEAR(hypothesis.score, expected.score, tolerance);
      // The score is what its tokens say, unless the search found fewer outputs than are wanted.
      ASSERT_EQ(hypothesis.eos.has_value(), expected.finish == FinishReason::kEos);
      size_t length = tokens.size();
      if (hypothesis.eos) {
        sum += hypothesis.eos->logprob;
        ++length;
      }
      const double penalty = std::pow(length, job.request.params.length_penalty);
      if (expected.score > -1e8f) {
        EXPECT_NEAR(sum / penalty, expected.score, tolerance);
        ExpectAlternatives(hypothesis, job.request.params.top_logprobs);
      }
      ExpectBegins(tokens, job, static_cast<int>(i));
    }
  }

  // None is better than the best of its alternatives, nor has another log-probability there.
  static void ExpectAlternatives(const Hypothesis& hypothesis, int32_t count) {
    std::vector<GeneratedToken> tokens = hypothesis.tokens;
    if (hypothesis.eos) tokens.push_back(*hypothesis.eos);
    for (const GeneratedToken& token : tokens) {
      EXPECT_LE(token.top.size(), static_cast<size_t>(count));
      if (count == 0) continue;
      ASSERT_FALSE(token.top.empty());
      EXPECT_GT(token.top[0].logprob, token.logprob - 1e-3f);
      for (const TokenLogprob& alternative : token.top) {
        EXPECT_LE(alternative.logprob, token.top[0].logprob);
        if (alternative.token != token.token) continue;
        EXPECT_NEAR(alternative.logprob, token.logprob, 1e-3f);
      }
    }
  }

  // What was streamed is how the output begins.
  static void ExpectBegins(const std::vector<TokenId>& tokens, const Job& job, int hypothesis) {
    const auto streamed = job.streamed.find(hypothesis);
    if (streamed == job.streamed.end()) return;
    ASSERT_LE(streamed->second.size(), tokens.size());
    EXPECT_TRUE(std::equal(streamed->second.begin(), streamed->second.end(), tokens.begin()));
  }

  GoldenVariant golden_;
  std::unique_ptr<Checkpoint> checkpoint_;
  config::EngineConfig config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(BeamGoldenTest, Alone) {
  ASSERT_GE(golden_.searches.size(), 40u);
  size_t streamed = 0;
  for (const GoldenSearch& search : golden_.searches) {
    Job job{.request = RequestOf(search, *checkpoint_, config_)};
    Load(engine_.get(), {&job}, 0).Run(1);
    ExpectGolden(search, job);
    streamed += job.streamed.size();
  }
  EXPECT_GT(streamed, 20u);
}

TEST_P(BeamGoldenTest, InChangingBatches) {
  std::mt19937 random(29);
  for (uint32_t round = 0; round < 3; ++round) {
    std::vector<Job> jobs;
    for (const GoldenSearch& search : golden_.searches) {
      jobs.push_back({RequestOf(search, *checkpoint_, config_)});
      if (random() % 2 == 0) jobs.back().request.params.top_logprobs = 4;
    }
    // Neighbours: greedy rows, samples, drawn beams and searches of which some are cancelled.
    for (const GoldenGeneration& generation : golden_.generations) {
      Job job{.request = RequestOf(generation, *checkpoint_, config_)};
      job.request.priority = random() % 2;
      if (random() % 2 == 0) {
        job.request.params.max_new_tokens = job.request.params.min_new_tokens = 120;
      }
      if (random() % 2 == 0) {
        job.request.params.do_sample = true;
        job.request.params.seed = random();
        job.request.params.num_beams = 1 + static_cast<int32_t>(random() % 5);
      }
      jobs.push_back(std::move(job));
    }
    const size_t searches = golden_.searches.size();
    for (size_t i = 0; i < searches / 2; ++i) {
      jobs.push_back({.request = jobs[random() % searches].request, .cancel = true});
    }
    std::vector<Job*> order;
    for (Job& job : jobs) order.push_back(&job);
    std::shuffle(order.begin(), order.end(), random);
    Load(engine_.get(), order, round).Run(static_cast<int>(order.size()));
    for (size_t i = 0; i < searches; ++i) ExpectGolden(golden_.searches[i], jobs[i]);
    for (size_t i = searches; i < jobs.size(); ++i) {
      if (jobs[i].cancel) continue;
      EXPECT_TRUE(jobs[i].result->ok()) << jobs[i].result->status();
    }
  }
  const EngineStats stats = engine_->Stats();
  if (kOnCpu) {  // a GPU is at times too fast for it
    EXPECT_GT(stats.preemptions, 0u);
  }
  EXPECT_EQ(stats.blocks_used, stats.blocks_cached);
}

INSTANTIATE_TEST_SUITE_P(, BeamGoldenTest, ::testing::ValuesIn(GoldenSearchVariantNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
