// The whole engine on a tiny random model: scheduler, cache, runner and kernels together.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "engine/types/errors.h"
#include "tests/engine/core/tiny_engine.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/log_capture.h"

namespace transept {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Engine> MakeEngine(const config::EngineConfig& config) {
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kFloat32, 7);
  auto engine = Engine::Create(config, *checkpoint, nullptr);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

Request RandomRequest(std::mt19937* random) {
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(*random);
  };
  Request request;
  request.source.resize(draw(1, 48));
  for (TokenId& token : request.source) token = draw(0, 96);
  request.target_prefix.resize(draw(0, 3) == 0 ? draw(1, 6) : 0);
  for (TokenId& token : request.target_prefix) token = draw(2, 96);
  request.params.max_new_tokens = draw(1, 24);
  request.params.eos_tokens = {1};
  if (draw(0, 2) == 0) {
    request.params.do_sample = true;
    request.params.seed = draw(0, 1 << 30);
    request.params.num_sequences = draw(1, 3);
  }
  return request;
}

TEST(Engine, OutputDoesNotDependOnWhatSharesTheBatch) {
  std::mt19937 random(1);
  std::vector<Request> requests;
  for (int i = 0; i < 60; ++i) requests.push_back(RandomRequest(&random));
  requests[30].source = requests[3].source;  // shared encoder output

  const auto engine = MakeEngine(SmallConfig());
  std::vector<std::vector<std::vector<TokenId>>> alone;
  for (const Request& request : requests) {
    const auto result = RunAlone(engine.get(), request);
    ASSERT_TRUE(result.ok()) << result.status();
    alone.push_back(AllTokens(*result));
  }
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (const Request& request : requests) {
    sinks.push_back(std::make_shared<CollectingSink>());
    ASSERT_TRUE(engine->Submit(request, sinks.back()).ok());
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto result = sinks[i]->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(AllTokens(*result), alone[i]) << "request " << i;
    auto streamed = sinks[i]->streamed();
    streamed.resize(alone[i].size());
    EXPECT_EQ(streamed, alone[i]) << "request " << i;
  }
  EXPECT_EQ(BlocksHeld(*engine), 0);
}

TEST(Engine, PreemptionChangesNothingButTime) {
  config::EngineConfig small = SmallConfig();
  const auto roomy = MakeEngine(small);
  // Two layers, block of 4 positions, 36 floats each for K and V: 2304 bytes a block; the smallest
  // configurable pool has 455. Long generations of many rows outgrow it.
  small.block_size = 1;
  small.max_rows = 32;
  const auto cramped = MakeEngine(small);
  std::mt19937 random(2);
  std::vector<Request> requests;
  for (int i = 0; i < 40; ++i) {
    requests.push_back(RandomRequest(&random));
    requests.back().params.max_new_tokens = 60;
    requests.back().params.min_new_tokens = 60;
  }
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (const Request& request : requests) {
    sinks.push_back(std::make_shared<CollectingSink>());
    ASSERT_TRUE(cramped->Submit(request, sinks.back()).ok());
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto expected = RunAlone(roomy.get(), requests[i]);
    const auto result = sinks[i]->Wait();
    ASSERT_TRUE(expected.ok() && result.ok()) << expected.status() << result.status();
    EXPECT_EQ(AllTokens(*result), AllTokens(*expected)) << "request " << i;
  }
  EXPECT_GT(cramped->Stats().preemptions, 0u);
  EXPECT_EQ(BlocksHeld(*cramped), 0);
}

TEST(Engine, IdenticalSourcesAreEncodedOnce) {
  const auto engine = MakeEngine(SmallConfig());
  std::mt19937 random(3);
  const Request request = RandomRequest(&random);
  const auto first = RunAlone(engine.get(), request);
  const auto second = RunAlone(engine.get(), request);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(first->encoder_reused);
  EXPECT_TRUE(second->encoder_reused);
  EXPECT_EQ(AllTokens(*first), AllTokens(*second));
  EXPECT_EQ(engine->Stats().source_tokens_encoded, request.source.size());
}

// Cancels its request from the engine thread when the first token comes.
class CancellingSink final : public ResultSink {
 public:
  explicit CancellingSink(Engine* engine) : engine_(*engine) {}

  void OnTokens(int, absl::Span<const GeneratedToken> tokens) override {
    engine_.Cancel(id.get_future().get());
    streamed += tokens.size();
  }
  void OnFinish(absl::StatusOr<Result> result) override { end.set_value(result.status()); }

  std::promise<RequestId> id;
  std::promise<absl::Status> end;
  size_t streamed = 0;

 private:
  Engine& engine_;
};

TEST(Engine, CancelEndsARunningRequestWithinAStepAndFreesItsBlocks) {
  const auto engine = MakeEngine(SmallConfig());
  Request request;
  request.source = {5, 6, 7};
  request.params.max_new_tokens = 64;
  request.params.min_new_tokens = 64;
  request.params.eos_tokens = {1};
  auto sink = std::make_shared<CancellingSink>(engine.get());
  const auto id = engine->Submit(request, sink);
  ASSERT_TRUE(id.ok());
  sink->id.set_value(*id);
  EXPECT_EQ(sink->end.get_future().get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(sink->streamed, 1u);
  EXPECT_EQ(BlocksHeld(*engine), 0);
  engine->Cancel(*id);  // long gone: no effect
  engine->Cancel(9999);
  EXPECT_TRUE(RunAlone(engine.get(), request).ok());
}

TEST(Engine, RandomCancelsLeaveNothingBehind) {
  const auto engine = MakeEngine(SmallConfig());
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&engine, c] {
      std::mt19937 random(100 + c);
      for (int i = 0; i < 20; ++i) {
        auto sink = std::make_shared<CollectingSink>();
        const auto id = engine->Submit(RandomRequest(&random), sink);
        ASSERT_TRUE(id.ok()) << id.status();
        if (random() % 2 == 0) {
          if (random() % 2 == 0) sink->WaitForToken();
          engine->Cancel(*id);
        }
        (void)sink->Wait();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(BlocksHeld(*engine), 0);
  const EngineStats stats = engine->Stats();
  EXPECT_EQ(stats.requests_submitted, 160u);
  EXPECT_EQ(stats.requests_finished + stats.requests_failed, 160u);
}

TEST(Engine, AnExpiredDeadlineEndsTheRequest) {
  const auto engine = MakeEngine(SmallConfig());
  Request request;
  request.source = {5};
  request.params.eos_tokens = {1};
  request.deadline = Clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(RunAlone(engine.get(), request).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(Engine, RefusesWhatCannotRun) {
  config::EngineConfig config = SmallConfig();
  config.max_source_tokens = 1 << 20;
  const auto engine = MakeEngine(config);
  Request request;
  request.params.eos_tokens = {1};
  EXPECT_EQ(FieldOf(RunAlone(engine.get(), request).status()), "source");
  request.source = {5, 97};
  absl::Status status = RunAlone(engine.get(), request).status();
  EXPECT_EQ(FieldOf(status), "source.tokens.ids[1]");
  EXPECT_THAT(std::string(status.message()), HasSubstr("[0, 97)"));
  request.source = {5};
  request.target_prefix = {-1};
  EXPECT_EQ(FieldOf(RunAlone(engine.get(), request).status()), "target_prefix.tokens.ids[0]");
  request.target_prefix = {};
  request.params.max_new_tokens = 65;
  EXPECT_EQ(FieldOf(RunAlone(engine.get(), request).status()), "options.max_new_tokens");
  request.params.max_new_tokens = 1;
  request.params.top_logprobs = kMaxTopLogprobs + 1;
  EXPECT_EQ(FieldOf(RunAlone(engine.get(), request).status()), "output.top_logprobs");
  request.params.top_logprobs = 0;
  request.target_prefix = {5};
  request.targets = {{6}};
  EXPECT_EQ(FieldOf(RunAlone(engine.get(), request).status()), "target_prefix");
  request.targets = {};
  request.pooling = Pooling::kMean;
  EXPECT_EQ(FieldOf(RunAlone(engine.get(), request).status()), "target_prefix");
  request.pooling.reset();
  request.target_prefix = {};
  request.source.assign(100000, 5);
  EXPECT_EQ(RunAlone(engine.get(), request).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine->Stats().requests_rejected, 8u);
}

TEST(Engine, RefusesWhenTheQueueIsFullAndSaysWhenToRetry) {
  config::EngineConfig config = SmallConfig();
  config.max_queue = 2;
  config.max_rows = 1;
  const auto engine = MakeEngine(config);
  std::mt19937 random(4);
  absl::Status refused;
  std::vector<std::shared_ptr<CollectingSink>> accepted;
  while (refused.ok()) {  // at most max_queue wait and one runs, so this ends soon
    auto sink = std::make_shared<CollectingSink>();
    Request request;
    request.source = {5};
    request.params.eos_tokens = {1};
    request.params.max_new_tokens = request.params.min_new_tokens = 64;
    refused = engine->Submit(request, sink).status();
    if (refused.ok()) accepted.push_back(sink);
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(RetryAfterOf(refused).has_value());
  for (const auto& sink : accepted) EXPECT_TRUE(sink->Wait().ok());
}

TEST(Engine, DrainLetsRunningRequestsEndAndRefusesNewOnes) {
  const auto engine = MakeEngine(SmallConfig());
  std::mt19937 random(5);
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 20; ++i) {
    sinks.push_back(std::make_shared<CollectingSink>());
    ASSERT_TRUE(engine->Submit(RandomRequest(&random), sinks.back()).ok());
  }
  engine->Drain(Clock::now() + std::chrono::minutes(5));
  for (const auto& sink : sinks) {
    ASSERT_TRUE(sink->finished());
    EXPECT_TRUE(sink->Wait().ok());
  }
  const absl::Status late = RunAlone(engine.get(), RandomRequest(&random)).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(RetryAfterOf(late).has_value());
}

TEST(Engine, DrainEndsTheRestAtItsDeadline) {
  const auto engine = MakeEngine(SmallConfig());
  std::mt19937 random(6);
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 100; ++i) {
    sinks.push_back(std::make_shared<CollectingSink>());
    ASSERT_TRUE(engine->Submit(RandomRequest(&random), sinks.back()).ok());
  }
  engine->Drain(Clock::now());
  for (const auto& sink : sinks) EXPECT_TRUE(sink->finished());
  EXPECT_EQ(sinks.back()->Wait().status().code(), absl::StatusCode::kUnavailable);
}

TEST(Engine, DestructionEndsWhatIsLeft) {
  auto sink = std::make_shared<CollectingSink>();
  {
    const auto engine = MakeEngine(SmallConfig());
    Request request;
    request.source = {5};
    request.params.eos_tokens = {1};
    request.params.max_new_tokens = request.params.min_new_tokens = 64;
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(engine->Submit(request, std::make_shared<CollectingSink>()).ok());
    }
    ASSERT_TRUE(engine->Submit(request, sink).ok());
  }
  EXPECT_EQ(sink->Wait().status().code(), absl::StatusCode::kCancelled);
}

TEST(EngineCreate, NamesTheSettingAtFault) {
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kFloat32, 7);
  const auto error = [&](const config::EngineConfig& config) {
    return std::string(Engine::Create(config, *checkpoint, nullptr).status().message());
  };
  config::EngineConfig config = SmallConfig();
  config.dtype = "int4";
  EXPECT_THAT(error(config), HasSubstr("dtype: 'int4'"));
  config = SmallConfig();
  config.device = "tpu";
  EXPECT_THAT(error(config), HasSubstr("device: 'tpu'"));
  config = SmallConfig();
  config.attention_backend = "flash";
  EXPECT_THAT(error(config), HasSubstr("attention_backend: 'flash'"));
  config = SmallConfig();
  config.block_size = 1 << 20;
  EXPECT_FALSE(Engine::Create(config, *checkpoint, nullptr).ok());
}

TEST(EngineCreate, TellsWhatItsSettingsCameTo) {
  ModelSpec spec = TinySpec();
  spec.stored_dtype = kernels::DataType::kBFloat16;
  auto checkpoint = RandomCheckpoint(spec, kernels::DataType::kBFloat16, 7);
  auto engine = Engine::Create(SmallConfig(), *checkpoint, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->info().device, "cpu");
  EXPECT_EQ((*engine)->info().dtype, "bfloat16");  // auto: as stored
  EXPECT_EQ((*engine)->info().kv_cache_dtype, "float32");
  EXPECT_EQ((*engine)->info().max_source_tokens, 64);
  EXPECT_EQ((*engine)->info().max_new_tokens, 64);

  spec.max_source_positions = 20;
  spec.max_target_positions = 30;
  checkpoint = RandomCheckpoint(spec, kernels::DataType::kBFloat16, 7);
  config::EngineConfig config = SmallConfig();
  config.dtype = "float32";
  config.kv_cache_dtype = "float16";
  engine = Engine::Create(config, *checkpoint, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->info().dtype, "float32");
  EXPECT_EQ((*engine)->info().kv_cache_dtype, "float16");
  EXPECT_EQ((*engine)->info().max_source_tokens, 20);
  EXPECT_EQ((*engine)->info().max_new_tokens, 30);
}

TEST(EngineCreate, RefusesABlockPoolThatTheMachineCannotHold) {
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kFloat32, 7);
  config::EngineConfig config = SmallConfig();
  config.kv_cache_mib = 10'000'000;
  const absl::Status status = Engine::Create(config, *checkpoint, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("K/V blocks"));
}

// 455 blocks of 4 positions make a MiB, and a request at its longest takes 16 and 16.
TEST(EngineCreate, WarnsOfAPoolThatCannotHoldWhatIsAdvertised) {
  const auto log_of = [](const config::EngineConfig& config) {
    const LogCapture log(spdlog::level::warn);
    MakeEngine(config);
    return log.text();
  };
  config::EngineConfig config = SmallConfig();
  config.max_rows = 14;
  EXPECT_EQ(log_of(config), "");
  config.max_rows = 15;
  EXPECT_EQ(
      log_of(config),
      "warning: kv_cache_mib leaves 1.0 MiB for keys and values, and 15 requests (max_rows) of "
      "64 source and 64 new tokens need 1.1 MiB: some would wait, or be computed again; raise "
      "kv_cache_mib, or lower max_rows, max_source_tokens or max_new_tokens\n");
  config.max_source_tokens = 4 * 455;
  EXPECT_EQ(log_of(config),
            "warning: a request of 1820 source and 64 new tokens needs 1.0 MiB of keys and values, "
            "and there are 1.0: what needs more is refused; raise kv_cache_mib, or lower "
            "max_source_tokens or max_new_tokens\n");
  config.kv_cache_mib = 0;
  config.max_source_tokens = 100'000;
  EXPECT_EQ(log_of(config), "") << "of a size that nobody chose";
}

class StorageTypes : public ::testing::TestWithParam<const char*> {};

TEST_P(StorageTypes, EveryWeightAndCacheTypeGenerates) {
  config::EngineConfig config = SmallConfig();
  config.dtype = GetParam();
  config.kv_cache_dtype = GetParam();
  const auto engine = MakeEngine(config);
  std::mt19937 random(8);
  for (int i = 0; i < 5; ++i) {
    const auto result = RunAlone(engine.get(), RandomRequest(&random));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_LE(result->hypotheses[0].score, 0.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(All, StorageTypes, ::testing::Values("float32", "bfloat16", "float16"));

}  // namespace
}  // namespace transept
