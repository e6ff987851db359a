// The engine on a GPU that is none: what it takes of the memory, what becomes of it when calls
// fail, and what it calls while it runs. Its outputs mean nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "engine/types/errors.h"
#include "tests/engine/core/tiny_engine.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/fake_cuda.h"
#include "tests/support/log_capture.h"

namespace transept {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr size_t kMib = size_t{1} << 20;
// Two workspaces, and what is kept back for a runner's inputs and graphs.
constexpr size_t kAside = 384 * kMib;

config::EngineConfig GpuConfig() {
  config::EngineConfig config = SmallConfig();
  config.device = "cuda";
  config.dtype = "float32";
  config.kv_cache_mib = 0;
  return config;
}

absl::StatusOr<std::unique_ptr<Engine>> Create(const config::EngineConfig& config) {
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kFloat32, 7);
  return Engine::Create(config, *checkpoint, nullptr);
}

// A block of SmallConfig's 4 positions: two layers of keys and values of 36 float32 each.
constexpr int64_t kBlockBytes = 4 * 2 * 2 * 36 * 4;

class FakeGpu : public ::testing::Test {
 protected:
  FakeGpu() { fake_cuda::Reset(); }
  ~FakeGpu() override { EXPECT_EQ(fake_cuda::held(), 0); }
};

using GpuMemory = FakeGpu;

TEST_F(GpuMemory, BlocksTakeWhatTheFractionLeaves) {
  for (const double fraction : {0.6, 0.9, 1.0}) {
    const size_t total = 720 * kMib;
    fake_cuda::Reset(total);
    config::EngineConfig config = GpuConfig();
    config.max_rows = 4096;
    config.gpu_memory_fraction = fraction;
    const LogCapture log(spdlog::level::warn);
    const auto engine = Create(config);
    ASSERT_TRUE(engine.ok()) << engine.status();
    // 4096 of the longest requests need 131072 blocks.
    const char* const warning = fraction == 0.6 ? "warning: gpu_memory_fraction leaves " : "";
    EXPECT_THAT(log.text(), StartsWith(warning)) << fraction;
    EXPECT_EQ(log.text().empty(), fraction != 0.6) << fraction;
    EXPECT_LE(fake_cuda::used_memory(), fraction * total);
    EXPECT_GE(fake_cuda::used_memory(), fraction * total - kAside);
    // All but the buffers, a few MiB.
    const int64_t bytes = (*engine)->Stats().blocks_total * kBlockBytes;
    EXPECT_GE(bytes, fraction * total - kAside - 16 * kMib) << fraction;
  }
}

TEST_F(GpuMemory, BlocksAreNoMoreThanTheLongestSequencesNeed) {
  const config::EngineConfig config = GpuConfig();
  const auto engine = Create(config);
  ASSERT_TRUE(engine.ok()) << engine.status();
  // Decoder start and prefix as long as a source, and new tokens; the source.
  EXPECT_EQ((*engine)->Stats().blocks_total, 8 * ((64 + 64) / 4 + 64 / 4));
}

TEST_F(GpuMemory, AnAskedForPoolIsWhatThereIs) {
  config::EngineConfig config = GpuConfig();
  config.kv_cache_mib = 3;
  config.gpu_memory_fraction = 0.001;
  const auto engine = Create(config);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->Stats().blocks_total, 3 * int64_t{kMib} / kBlockBytes);
}

// One line that names sizes, whatever does not fit.
TEST_F(GpuMemory, WhatDoesNotFitEndsWithTheSizes) {
  const auto expect = [](size_t total_mib, const config::EngineConfig& config,
                         const std::string& what) {
    fake_cuda::Reset(total_mib * kMib);
    const absl::Status status = Create(config).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(what), HasSubstr(" MiB"), Not(HasSubstr("\n"))));
    EXPECT_EQ(fake_cuda::held(), 0);
  };
  config::EngineConfig config = GpuConfig();
  expect(256, config, "of the GPU's 256 MiB 191 were free at start-up");
  expect(256, config, "no memory for weights");
  config.kv_cache_mib = 4096;
  expect(1024, config, "K/V blocks");
  config.kv_cache_mib = 0;
  config.max_new_tokens = 100'000;
  expect(620, config, "(max_source_tokens) and a target of 100064 needs 25032");
  config.max_new_tokens = 64;
  config.max_encoder_tokens = 1'000'000;
  expect(620, config, "no memory for the buffers of 1000000 encoder tokens");
}

TEST_F(GpuMemory, NoGpuIsSaidInOneLine) {
  fake_cuda::Reset(0);
  const absl::Status status = Create(GpuConfig()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      std::string(status.message()),
      "device: 'cuda' has no usable GPU: looking for a GPU: no CUDA-capable device is detected");
}

using GpuStart = FakeGpu;

// Whichever allocation it is that fails: an error that says so, and nothing is kept.
TEST_F(GpuStart, EveryAllocationMayFail) {
  for (const char* call : {"cudaMalloc", "cudaHostAlloc"}) {
    int64_t failures = 0;
    for (bool fails = true; fails; ++failures) {
      fake_cuda::Reset();
      fake_cuda::Inject({call, failures, cudaErrorMemoryAllocation, /*lasting=*/false});
      const absl::Status status = Create(GpuConfig()).status();
      fails = !status.ok();
      if (!fails) break;
      EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status))
          << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("memory")) << call << " " << failures;
      ASSERT_EQ(fake_cuda::held(), 0) << call << " " << failures;
    }
    EXPECT_GT(failures, 3) << call;
  }
}

// Whichever call it is after which the device is lost.
TEST_F(GpuStart, EveryCallMayLoseTheDevice) {
  ASSERT_TRUE(Create(GpuConfig()).ok());
  int64_t calls = 0;
  for (const auto& [name, count] : fake_cuda::Calls()) calls += count;
  ASSERT_GT(calls, 100);
  int64_t failures = 0;
  for (int64_t after = 0; after < calls; after += after < 200 ? 1 : 29) {
    fake_cuda::Reset();
    fake_cuda::Inject({"", after, cudaErrorIllegalAddress});
    const absl::Status status = Create(GpuConfig()).status();
    ASSERT_EQ(fake_cuda::held(), 0) << after;
    if (status.ok()) continue;  // the engine was ready before
    ++failures;
    EXPECT_THAT(std::string(status.message()), HasSubstr("illegal memory access")) << after;
  }
  EXPECT_GT(failures, 100);
}

// In one line for all layers.
TEST_F(GpuStart, LogsWhyAttentionBackendsArePassedOver) {
  const LogCapture log(spdlog::level::info);
  ASSERT_TRUE(Create(GpuConfig()).ok());
  EXPECT_THAT(log.text(), HasSubstr("\ninfo: attention backends passed over: cuda_tensor: dtype "
                                    "float32: tensor cores would round it\n"));
}

// More of them than fit into a batch, with all that makes a step special.
std::vector<Request> MixedRequests() {
  std::vector<Request> requests(12);
  for (size_t i = 0; i < requests.size(); ++i) {
    Request& request = requests[i];
    for (size_t token = 0; token <= 3 * i; ++token) request.source.push_back(2 + token + i);
    if (i % 3 == 0) request.target_prefix = {5, 6, 7, 8, 9};  // more than a block
    request.params.min_new_tokens = request.params.max_new_tokens = 30;
    request.params.eos_tokens = {1};
    request.params.do_sample = i % 4 == 1 || i % 8 == 6;
    request.params.num_sequences = i % 4 == 1 ? 2 : 1;
    request.params.num_beams = i % 4 == 2 ? 3 : 1;
    request.params.top_logprobs = i % 5 == 0 ? 3 : 0;
    if (i % 2 == 0) {
      request.params.encoder_repetition_penalty = 1.5f;
      request.params.encoder_no_repeat_ngram_size = 2;
      request.params.bad_words = {{3}, {4, 5}};
      request.params.sequence_bias = {{{6, 7}, 1.0f}};
      request.params.length_decay = {.start_index = 2, .decay_factor = 1.1f};
    }
  }
  // Among them some that are scored, of one token and of more than are scored at once, or encoded.
  Request other;
  other.source = {5, 6, 1};
  for (const Pooling pooling : {Pooling::kMean, Pooling::kAll}) {
    requests.insert(requests.begin() + 5, other)->pooling = pooling;
  }
  for (const size_t length : {1, 20}) {
    requests.insert(requests.begin() + 4, other)->targets = {std::vector<TokenId>(length, 8), {7}};
  }
  return requests;
}

// All are there before the device does anything for them. One that is refused, because the device
// was lost by then, ends with that.
std::vector<std::shared_ptr<CollectingSink>> SubmitAll(Engine* engine) {
  const auto hold = fake_cuda::Hold();
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (const Request& request : MixedRequests()) {
    sinks.push_back(std::make_shared<CollectingSink>());
    const auto id = engine->Submit(request, sinks.back());
    if (!id.ok()) sinks.back()->OnFinish(id.status());
  }
  return sinks;
}

using GpuSteps = FakeGpu;

// Nothing is allocated or freed, and nobody waits for the whole device or stream: a step launches,
// copies without waiting, and waits for the event at the end of a step.
TEST_F(GpuSteps, CallOnlyWhatNeitherAllocatesNorWaits) {
  const std::set<std::string> allowed = {
      "cudaLaunchKernelExC",  "cudaGraphLaunch",      "cudaMemcpyAsync",
      "cudaMemsetAsync",      "cudaEventRecord",      "cudaEventQuery",
      "cudaEventSynchronize", "cudaEventElapsedTime", "cudaFuncSetAttribute",
      "cudaStreamWaitEvent",  "cublasLtMatmul",       "cublasLtMatmulAlgoGetHeuristic"};
  const auto engine = Create(GpuConfig());
  ASSERT_TRUE(engine.ok()) << engine.status();
  fake_cuda::ForgetCalls();
  const std::vector<Request> requests = MixedRequests();
  const std::vector<std::shared_ptr<CollectingSink>> sinks = SubmitAll(engine->get());
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto result = sinks[i]->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    if (requests[i].pooling) {
      const size_t states = requests[i].pooling == Pooling::kAll ? 3 : 1;
      EXPECT_EQ(result->states.size(), states * TinySpec().d_model);
      continue;
    }
    const size_t tokens = requests[i].scores() ? requests[i].targets[0].size() : 30;
    EXPECT_EQ(result->hypotheses[0].tokens.size(), tokens);
  }
  const std::map<std::string, int64_t> calls = fake_cuda::Calls();
  for (const auto& [name, count] : calls) {
    EXPECT_TRUE(allowed.contains(name)) << name << " was called " << count << " times";
  }
  EXPECT_GT(calls.at("cudaGraphLaunch"), 30);
  EXPECT_GT(calls.at("cudaLaunchKernelExC"), 30);
  EXPECT_EQ(BlocksHeld(**engine), 0);
}

// As above, where the encoder takes its time.
TEST_F(GpuSteps, GoOnWhileSourcesAreEncoded) {
  const auto engine = Create(GpuConfig());
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const int lateness : {1, 5, 50}) {
    fake_cuda::SetLateness(lateness);
    for (const auto& sink : SubmitAll(engine->get())) {
      const auto result = sink->Wait();
      EXPECT_TRUE(result.ok()) << result.status();
    }
    EXPECT_EQ(BlocksHeld(**engine), 0);
  }
}

// An algorithm that was chosen for other rows may not fit these.
TEST_F(GpuSteps, OutliveAnAlgorithmThatRefuses) {
  const auto engine = Create(GpuConfig());
  ASSERT_TRUE(engine.ok()) << engine.status();
  fake_cuda::ForgetCalls();
  fake_cuda::Inject({"cublasLtMatmul", 5, cudaErrorNotSupported, /*lasting=*/false});
  for (const auto& sink : SubmitAll(engine->get())) {
    const auto result = sink->Wait();
    EXPECT_TRUE(result.ok()) << result.status();
  }
  EXPECT_GT(fake_cuda::Calls()["cublasLtMatmul"], 6);
  EXPECT_GE(fake_cuda::Calls()["cublasLtMatmulAlgoGetHeuristic"], 1);
}

// Beside heads of 128 a bias that reaches far is more than a block of such a GPU can hold.
TEST_F(GpuSteps, RunWithTheSharedMemoryOfASmallerGpu) {
  fake_cuda::Reset(size_t{8} << 30, 99 << 10);
  ModelSpec spec = TinySpec();
  for (StackSpec* stack : {&spec.encoder, &spec.decoder}) {
    stack->head_size = 128;
    stack->relative_positions.max_distance = 4096;
  }
  config::EngineConfig config = GpuConfig();
  config.dtype = "bfloat16";
  const auto checkpoint = RandomCheckpoint(spec, kernels::DataType::kBFloat16, 7);
  const auto engine = Engine::Create(config, *checkpoint, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const auto& sink : SubmitAll(engine->get())) {
    const auto result = sink->Wait();
    EXPECT_TRUE(result.ok()) << result.status();
  }
}

// Nor all the parts of a wide norm beside the widest cut of a product.
TEST_F(GpuSteps, RunWideLayersWithTheSharedMemoryOfASmallerGpu) {
  fake_cuda::Reset(size_t{8} << 30, 99 << 10);
  ModelSpec spec = TinySpec();
  spec.d_model = 1024;
  spec.gated_ffn = false;
  for (StackSpec* stack : {&spec.encoder, &spec.decoder}) {
    stack->num_layers = 1;
    stack->num_heads = stack->num_kv_heads = 20;
    stack->head_size = 64;
    stack->ffn_size = 6656;
  }
  config::EngineConfig config = GpuConfig();
  config.dtype = "bfloat16";
  config.max_rows = 24;
  const auto checkpoint = RandomCheckpoint(spec, kernels::DataType::kBFloat16, 7);
  const auto engine = Engine::Create(config, *checkpoint, nullptr);
  EXPECT_TRUE(engine.ok()) << engine.status();
}

// What is being launched then still uses what the engine has.
TEST_F(FakeGpu, AnEngineGoesWhileItsSourcesAreEncoded) {
  config::EngineConfig config = GpuConfig();
  config.max_rows = 1;
  for (int i = 0; i < 40; ++i) {
    auto engine = Create(config);
    ASSERT_TRUE(engine.ok()) << engine.status();
    const auto sink = std::make_shared<CollectingSink>();
    fake_cuda::ForgetCalls();
    ASSERT_TRUE((*engine)->Submit(MixedRequests().front(), sink).ok());
    while (fake_cuda::Calls().empty()) std::this_thread::yield();
    engine->reset();
    const absl::Status status = sink->Wait().status();  // it may have got to its end before
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  }
}

// The call that fails, in the middle of the requests, after some that do not.
struct Loss {
  const char* call;
  int64_t after = 5;
};
class GpuLoss : public FakeGpu, public ::testing::WithParamInterface<Loss> {};

TEST_P(GpuLoss, EndsAllRequestsAndRefusesLaterOnes) {
  auto created = Create(GpuConfig());
  ASSERT_TRUE(created.ok()) << created.status();
  const std::unique_ptr<Engine> engine = *std::move(created);
  const LogCapture log(spdlog::level::warn);
  fake_cuda::Inject({GetParam().call, GetParam().after, cudaErrorIllegalAddress});
  for (const auto& sink : SubmitAll(engine.get())) {
    const absl::Status status = sink->Wait().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_TRUE(RetryAfterOf(status).has_value());
  }
  EXPECT_EQ(engine->Health().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine->Stats().blocks_used, 0);
  EXPECT_EQ(engine->Stats().rows_running, 0);
  fake_cuda::ForgetCalls();
  const absl::Status late = RunAlone(engine.get(), MixedRequests().front()).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable);
  engine->Drain(Clock::now() + std::chrono::minutes(1));
  EXPECT_TRUE(fake_cuda::Calls().empty());  // the device is left alone
  EXPECT_THAT(log.text(), HasSubstr("critical: the device is lost, all requests end: "));
  EXPECT_THAT(log.text(), HasSubstr("an illegal memory access was encountered"));
  EXPECT_EQ(log.text().find('\n') + 1, log.text().size()) << "one line:\n" << log.text();
}

INSTANTIATE_TEST_SUITE_P(
    At, GpuLoss,
    ::testing::Values(Loss{"cudaLaunchKernelExC"}, Loss{"cudaGraphLaunch"}, Loss{"cudaMemcpyAsync"},
                      Loss{"cudaEventRecord"}, Loss{"cudaEventSynchronize"}, Loss{"cudaEventQuery"},
                      Loss{"cudaStreamWaitEvent", 0},  // once for each batch of sources
                      Loss{"cublasLtMatmul"}),
    [](const auto& info) { return std::string(info.param.call); });

}  // namespace
}  // namespace transept
