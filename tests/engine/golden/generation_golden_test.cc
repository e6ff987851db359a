// Logits and tokens through the whole engine: each case alone, and all of them in batches that
// change at every step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/decode/options.h"
#include "engine/engine.h"
#include "tests/engine/golden/changing_load.h"
#include "tests/engine/golden/golden_request.h"
#include "tests/engine/golden/golden_variant.h"

namespace transept {
namespace {

// The build makes a program of this file for each device.
constexpr char kDevice[] = TRANSEPT_GOLDEN_DEVICE;
constexpr bool kOnCpu = kDevice[1] == 'p';

// What rounding comes to after some dozens of steps.
constexpr double kLogprobTolerance = 1e-3;

// A variant's checkpoint, loaded as a dtype.
class GenerationGoldenTest : public ::testing::TestWithParam<std::tuple<std::string, const char*>> {
 protected:
  void SetUp() override {
    golden_ = LoadGoldenVariant(std::get<0>(GetParam()));
    auto checkpoint = Checkpoint::Open(golden_.folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    config_.device = kDevice;
    config_.dtype = std::get<1>(GetParam());
    config_.threads = 2;
    config_.block_size = 4;
    config_.kv_cache_mib = 8;
    config_.max_rows = 7;
    config_.max_encoder_tokens = 256;
    config_.max_source_tokens = 256;
    config_.max_new_tokens = 256;
    auto engine = Engine::Create(config_, *checkpoint_, nullptr);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  absl::StatusOr<Result> RunAlone(Request request) {
    Job job{.request = std::move(request)};
    Load(engine_.get(), {&job}, 0).Run(1);
    return *job.result;
  }

  void ExpectGolden(const GoldenGeneration& generation, const absl::StatusOr<Result>& result) {
    SCOPED_TRACE(testing::Message()
                 << generation.source.size() << " source tokens, " << generation.prefix.size()
                 << " prefix tokens, " << generation.description);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->hypotheses.size(), 1u);
    const Hypothesis& hypothesis = result->hypotheses[0];
    std::vector<TokenId> tokens;
    for (const GeneratedToken& token : hypothesis.tokens) tokens.push_back(token.token);
    EXPECT_EQ(tokens, generation.tokens);
    EXPECT_EQ(hypothesis.finish_reason, generation.finish);
    EXPECT_NEAR(hypothesis.score, generation.score,
                1e-4 * std::max(1.0f, std::abs(generation.score)));
  }

  // With as many top log-probabilities as the golden has.
  Request SeveralOf(const GoldenSearch& samples) const {
    Request request = RequestOf(samples, *checkpoint_, config_);
    request.params.top_logprobs = samples.top_logprobs;
    return request;
  }

  void ExpectSeveral(const GoldenSearch& samples, Job& job) {
    SCOPED_TRACE(testing::Message()
                 << samples.source.size() << " source tokens, " << samples.prefix.size()
                 << " prefix tokens, " << samples.description);
    const absl::StatusOr<Result>& result = *job.result;
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->hypotheses.size(), samples.outputs.size());
    for (size_t i = 0; i < samples.outputs.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "sample " << i);
      const GoldenSearch::Output& expected = samples.outputs[i];
      const Hypothesis& hypothesis = result->hypotheses[i];
      std::vector<TokenId> ids;
      for (const GeneratedToken& token : hypothesis.tokens) ids.push_back(token.token);
      ASSERT_EQ(ids, expected.tokens);
      EXPECT_EQ(job.streamed[static_cast<int>(i)], ids);
      EXPECT_EQ(hypothesis.finish_reason, expected.finish);
      EXPECT_NEAR(hypothesis.score, expected.score,
                  1e-4 * std::max(1.0f, std::abs(expected.score)));
      if (samples.top_logprobs == 0) continue;
      std::vector<GeneratedToken> tokens = hypothesis.tokens;
      if (hypothesis.eos) tokens.push_back(*hypothesis.eos);
      ASSERT_EQ(tokens.size(), expected.logprobs.size());
      for (size_t at = 0; at < tokens.size(); ++at) {
        EXPECT_NEAR(tokens[at].logprob, expected.logprobs[at], kLogprobTolerance);
        ASSERT_EQ(tokens[at].top.size(), expected.top[at].size());
        for (size_t rank = 0; rank < tokens[at].top.size(); ++rank) {
          EXPECT_EQ(tokens[at].top[rank].token, expected.top[at][rank].token);
          EXPECT_NEAR(tokens[at].top[rank].logprob, expected.top[at][rank].logprob,
                      kLogprobTolerance);
        }
      }
    }
  }

  GoldenVariant golden_;
  std::unique_ptr<Checkpoint> checkpoint_;
  config::EngineConfig config_;
  std::unique_ptr<Engine> engine_;
};

// Asks for the log-probabilities of the most likely tokens, which are their logits but for one
// number a row, then for those of the most likely of the rest, and so on. Single precision's
// rounding grows from step to step in models that decide by little, so later steps cannot be held
// to its last digits; rounding_golden_test.cc has them.
constexpr size_t kExactSteps = 3;

TEST_P(GenerationGoldenTest, StepLogits) {
  for (const GoldenSteps& steps : golden_.steps) {
    for (size_t step = 0; step < std::min(kExactSteps, steps.logits.size()); ++step) {
      SCOPED_TRACE(testing::Message() << steps.source.size() << " source tokens, step " << step);
      const std::vector<float>& logits = steps.logits[step];
      float largest = 1.0f;
      for (const float logit : logits) largest = std::max(largest, std::abs(logit));
      std::vector<double> left;  // of the probabilities, not normalised
      left.reserve(logits.size());
      for (const float logit : logits) left.push_back(std::exp(double{logit}));
      Request request;
      request.source = steps.source;
      request.target_prefix.assign(steps.tokens.begin(), steps.tokens.begin() + step);
      request.params.max_new_tokens = 1;
      request.params.eos_tokens = {1};
      std::vector<TokenId>& seen = request.params.suppress_tokens;
      while (seen.size() < logits.size()) {
        request.params.top_logprobs =
            static_cast<int32_t>(std::min<size_t>(logits.size() - seen.size(), kMaxTopLogprobs));
        const auto result = RunAlone(request);
        ASSERT_TRUE(result.ok()) << result.status();
        const Hypothesis& hypothesis = result->hypotheses[0];
        const std::vector<TokenLogprob>& top =
            hypothesis.eos ? hypothesis.eos->top : hypothesis.tokens.at(0).top;
        ASSERT_EQ(top.size(), static_cast<size_t>(request.params.top_logprobs));
        const double sum = std::accumulate(left.begin(), left.end(), 0.0);
        for (const TokenLogprob& entry : top) {
          ASSERT_NEAR(entry.logprob, logits[entry.token] - std::log(sum), 2e-5 * largest)
              << "token " << entry.token;
          ASSERT_GT(std::exchange(left[entry.token], 0.0), 0.0) << "token " << entry.token;
          seen.push_back(entry.token);
        }
      }
    }
  }
}

TEST_P(GenerationGoldenTest, TokensAlone) {
  for (const GoldenGeneration& generation : golden_.generations) {
    ExpectGolden(generation, RunAlone(RequestOf(generation, *checkpoint_, config_)));
  }
}

TEST_P(GenerationGoldenTest, SeveralSamplesAlone) {
  for (const GoldenSearch& samples : golden_.several) {
    Job job{.request = SeveralOf(samples)};
    Load(engine_.get(), {&job}, 0).Run(1);
    ExpectSeveral(samples, job);
  }
}

TEST_P(GenerationGoldenTest, TokensInChangingBatches) {
  std::mt19937 random(17);
  for (uint32_t round = 0; round < 3; ++round) {
    std::vector<Job> jobs;
    for (const GoldenGeneration& generation : golden_.generations) {
      jobs.push_back({.request = RequestOf(generation, *checkpoint_, config_)});
    }
    const size_t generations = jobs.size();
    for (const GoldenSearch& samples : golden_.several) {
      jobs.push_back({.request = SeveralOf(samples)});
    }
    // Neighbours of another kind: samples in several rows, half of them cancelled.
    const size_t golden_jobs = jobs.size();
    for (size_t i = 0; i < golden_jobs / 2; ++i) {
      Job job{.request = jobs[random() % golden_jobs].request, .cancel = i % 2 == 0};
      job.request.params.do_sample = true;
      job.request.params.seed = random();
      job.request.params.num_sequences = 1 + random() % 3;
      job.request.priority = random() % 2;
      jobs.push_back(std::move(job));
    }
    std::vector<Job*> order;
    order.reserve(jobs.size());
    for (Job& job : jobs) order.push_back(&job);
    std::shuffle(order.begin(), order.end(), random);
    Load(engine_.get(), order, round).Run(4);
    for (size_t i = 0; i < generations; ++i) {
      ExpectGolden(golden_.generations[i], *jobs[i].result);
    }
    for (size_t i = generations; i < golden_jobs; ++i) {
      ExpectSeveral(golden_.several[i - generations], jobs[i]);
    }
    for (size_t i = golden_jobs; i < jobs.size(); ++i) {
      if (jobs[i].cancel) continue;
      EXPECT_TRUE(jobs[i].result->ok()) << jobs[i].result->status();
    }
  }
  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(stats.blocks_used, stats.blocks_cached);
}

std::string NameOf(const ::testing::TestParamInfo<std::tuple<std::string, const char*>>& info) {
  return std::get<0>(info.param) + "_" + std::get<1>(info.param);
}

// Weights kept as stored: half precision in memory, arithmetic in single precision as always on the
// CPU. A GPU computes in what it stores.
INSTANTIATE_TEST_SUITE_P(AsStored, GenerationGoldenTest,
                         ::testing::Combine(::testing::ValuesIn(GoldenVariantNames()),
                                            ::testing::Values(kOnCpu ? "auto" : "float32")),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Widened, GenerationGoldenTest,
                         ::testing::Combine(::testing::Values("bf16", "fp16"),
                                            ::testing::Values("float32")),
                         NameOf);

}  // namespace
}  // namespace transept
