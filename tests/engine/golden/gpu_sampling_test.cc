// Whole samples on the GPU and on the CPU: the same seed draws the same tokens.
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "tests/engine/golden/golden_variant.h"

namespace transept {
namespace {

class Sink final : public ResultSink {
 public:
  void OnTokens(int, absl::Span<const GeneratedToken>) override {}
  void OnFinish(absl::StatusOr<Result> result) override { result_.set_value(std::move(result)); }
  absl::StatusOr<Result> Wait() { return result_.get_future().get(); }

 private:
  std::promise<absl::StatusOr<Result>> result_;
};

// Of log-probabilities: what single precision's rounding comes to in these models after some dozens
// of steps. The tokens are the same all the same.
constexpr double kTolerance = 1e-3;

void ExpectEqual(const Hypothesis& gpu, const Hypothesis& cpu) {
  EXPECT_EQ(gpu.finish_reason, cpu.finish_reason);
  EXPECT_NEAR(gpu.score, cpu.score, kTolerance);
  ASSERT_EQ(gpu.tokens.size(), cpu.tokens.size());
  for (size_t i = 0; i < cpu.tokens.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "token " << i);
    ASSERT_EQ(gpu.tokens[i].token, cpu.tokens[i].token);
    EXPECT_NEAR(gpu.tokens[i].logprob, cpu.tokens[i].logprob, kTolerance);
    ASSERT_EQ(gpu.tokens[i].top.size(), cpu.tokens[i].top.size());
    for (size_t j = 0; j < cpu.tokens[i].top.size(); ++j) {
      EXPECT_NEAR(gpu.tokens[i].top[j].logprob, cpu.tokens[i].top[j].logprob, kTolerance);
    }
  }
}

class GpuSamplingTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden_ = LoadGoldenVariant(GetParam());
    auto checkpoint = Checkpoint::Open(golden_.folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    cpu_ = CreateEngine("cpu");
    gpu_ = CreateEngine("cuda");
  }

  std::unique_ptr<Engine> CreateEngine(const char* device) {
    config::EngineConfig config;
    config.device = device;
    config.dtype = "float32";
    config.threads = 2;
    config.block_size = 4;
    config.kv_cache_mib = 8;
    config.max_rows = 7;
    config.max_encoder_tokens = 256;
    config.max_source_tokens = 256;
    config.max_new_tokens = 64;
    auto engine = Engine::Create(config, *checkpoint_, nullptr);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }

  // All requests at once.
  static std::vector<Result> Run(Engine& engine, const std::vector<Request>& requests) {
    std::vector<std::shared_ptr<Sink>> sinks;
    for (const Request& request : requests) {
      sinks.push_back(std::make_shared<Sink>());
      EXPECT_TRUE(engine.Submit(request, sinks.back()).ok());
    }
    std::vector<Result> results;
    for (const auto& sink : sinks) {
      auto result = sink->Wait();
      EXPECT_TRUE(result.ok()) << result.status();
      results.push_back(result.ok() ? *std::move(result) : Result{});
    }
    return results;
  }

  void ExpectSameOnBoth(const std::vector<Request>& requests) {
    const std::vector<Result> expected = Run(*cpu_, requests), actual = Run(*gpu_, requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_EQ(actual[i].hypotheses.size(), expected[i].hypotheses.size());
      for (size_t row = 0; row < expected[i].hypotheses.size(); ++row) {
        SCOPED_TRACE(testing::Message() << "request " << i << ", output " << row);
        ExpectEqual(actual[i].hypotheses[row], expected[i].hypotheses[row]);
      }
    }
  }

  GoldenVariant golden_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Engine> cpu_, gpu_;
};

// Every request another way of sampling, in batches that change as rows end.
TEST_P(GpuSamplingTest, DrawsTheTokensOfTheCpu) {
  ASSERT_TRUE(cpu_ && gpu_);
  const std::vector<std::function<void(DecodeParams&)>> ways = {
      [](DecodeParams&) {},
      [](DecodeParams& params) { params.top_k = 5; },
      [](DecodeParams& params) { params.top_p = 0.8f; },
      [](DecodeParams& params) { params.min_p = 0.1f; },
      [](DecodeParams& params) {
        params.top_k = 30;
        params.top_p = 0.9f;
        params.temperature = 0.7f;
        params.repetition_penalty = 1.3f;
        params.no_repeat_ngram_size = 2;
        params.top_logprobs = 3;
      },
      [](DecodeParams& params) {
        params.do_sample = false;
        params.repetition_penalty = 1.2f;
        params.top_logprobs = 2;
      },
      [](DecodeParams& params) {
        params.suppress_tokens = {5, 6, 7, 40};
        params.begin_suppress_tokens = {8, 9};
        params.min_new_tokens = 20;
        params.forced_eos_token = 1;
      },
      [](DecodeParams& params) {
        params.typical_p = 0.8f;
        params.eta_cutoff = 0.01f;
      },
      [](DecodeParams& params) {
        params.epsilon_cutoff = 0.02f;
        params.encoder_repetition_penalty = 1.4f;
        params.encoder_no_repeat_ngram_size = 2;
        params.bad_words = {{10}, {11, 12}, {13, 14, 15}};
        params.sequence_bias = {{{16}, 2.0f}, {{16, 17}, 4.0f}, {{18, 17}, -1.0f}};
        params.length_decay = {.start_index = 3, .decay_factor = 1.05f};
      }};
  std::vector<Request> requests;
  for (const GoldenSteps& steps : golden_.steps) {
    for (const auto& way : ways) {
      Request& request = requests.emplace_back();
      request.source = steps.source;
      if (requests.size() % 3 == 0) request.target_prefix = {3, 4};
      request.params.max_new_tokens = 40;
      request.params.eos_tokens = {1};
      request.params.do_sample = true;
      request.params.seed = 1000 + requests.size();
      way(request.params);
      if (request.params.do_sample) request.params.num_sequences = 2;
    }
  }
  ExpectSameOnBoth(requests);
}

// Short ones: of what is compared in a longer search, some would be as close as roundings.
TEST_P(GpuSamplingTest, DrawsTheBeamsOfTheCpu) {
  ASSERT_TRUE(cpu_ && gpu_);
  std::vector<Request> requests;
  for (const GoldenSteps& steps : golden_.steps) {
    for (int way = 0; way < 4; ++way) {
      Request& request = requests.emplace_back();
      request.source = steps.source;
      if (way == 1) request.target_prefix = {3, 4};
      DecodeParams& params = request.params;
      params.max_new_tokens = 10;
      params.eos_tokens = {1};
      params.do_sample = true;
      params.seed = 2000 + requests.size();
      params.num_beams = 2 + way;
      params.num_sequences = 2;
      params.early_stopping = static_cast<EarlyStopping>(way % 3);
      params.renormalize_logits = way % 2 == 1;
      params.temperature = way == 2 ? 0.7f : 1.0f;
      params.top_k = way == 0 ? 0 : 20;
      params.top_p = way == 3 ? 0.9f : 1.0f;
      if (way == 3) params.repetition_penalty = 1.3f;
    }
  }
  ExpectSameOnBoth(requests);
}

INSTANTIATE_TEST_SUITE_P(All, GpuSamplingTest, ::testing::ValuesIn(GoldenVariantNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
