// What only a true GPU can tell: fake_gpu_test.cc has the rest.
#include <cuda_runtime.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "tests/engine/core/lose_device.h"
#include "tests/engine/core/tiny_engine.h"
#include "tests/support/collecting_sink.h"

namespace transept {
namespace {

std::unique_ptr<Engine> MakeEngine(int64_t kv_cache_mib) {
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kBFloat16, 7);
  config::EngineConfig config = SmallConfig();
  config.device = "cuda";
  config.kv_cache_mib = kv_cache_mib;
  config.max_queue = 10'000;
  auto engine = Engine::Create(config, *checkpoint, nullptr);
  if (engine.ok()) return *std::move(engine);
  ADD_FAILURE() << engine.status();
  return nullptr;
}

std::vector<std::shared_ptr<CollectingSink>> SubmitMany(Engine* engine, int count) {
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < count; ++i) {
    Request request;
    request.source.assign(1 + i % 40, 2 + i % 90);
    if (i % 3 == 0) request.target_prefix = {5, 6, 7};
    request.params.max_new_tokens = request.params.min_new_tokens = 60;
    request.params.eos_tokens = {1};
    request.params.do_sample = i % 4 == 1;
    sinks.push_back(std::make_shared<CollectingSink>());
    EXPECT_TRUE(engine->Submit(request, sinks.back()).ok());
  }
  return sinks;
}

size_t FreeMemory() {
  size_t available = 0;
  size_t total = 0;
  EXPECT_EQ(cudaMemGetInfo(&available, &total), cudaSuccess);
  return available;
}

// Neither our own calls nor the libraries' take memory once each kind of step has been seen.
TEST(GpuDevice, StepsTakeNoMemory) {
  const std::unique_ptr<Engine> engine = MakeEngine(8);
  ASSERT_NE(engine, nullptr);
  for (const auto& sink : SubmitMany(engine.get(), 50)) EXPECT_TRUE(sink->Wait().ok());
  const size_t before = FreeMemory();
  for (const auto& sink : SubmitMany(engine.get(), 50)) EXPECT_TRUE(sink->Wait().ok());
  EXPECT_EQ(FreeMemory(), before);
}

// 0: as much of the GPU as gpu_memory_fraction allows, up to what the longest sequences need.
TEST(GpuDevice, AnAutomaticPoolServes) {
  const std::unique_ptr<Engine> engine = MakeEngine(0);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->Stats().blocks_total, 8 * ((64 + 64) / 4 + 64 / 4));
  for (const auto& sink : SubmitMany(engine.get(), 20)) EXPECT_TRUE(sink->Wait().ok());
}

TEST(GpuDevice, GivesItsMemoryBack) {
  ASSERT_NE(MakeEngine(8), nullptr);  // what the libraries keep for good is there now
  const size_t before = FreeMemory();
  ASSERT_NE(MakeEngine(8), nullptr);
  EXPECT_EQ(FreeMemory(), before);
}

// Ends the process with 0 if all goes as it should.
[[noreturn]] void RunIntoLoss() {
  const auto require = [](bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::exit(1);
  };
  {
    const std::unique_ptr<Engine> engine = MakeEngine(8);
    require(engine != nullptr, "an engine");
    const auto sinks = SubmitMany(engine.get(), 2000);
    sinks.front()->WaitForToken();
    LoseDevice();
    for (const auto& sink : sinks) {
      const absl::Status status = sink->Wait().status();
      require(status.ok() || absl::IsUnavailable(status), "requests end, UNAVAILABLE");
    }
    require(absl::IsUnavailable(sinks.back()->Wait().status()), "the last one fails");
    require(absl::IsUnavailable(engine->Health()), "the engine says that it is lost");
    Request late;
    late.source = {5};
    require(absl::IsUnavailable(RunAlone(engine.get(), late).status()),
            "later requests are refused");
    require(engine->Stats().blocks_used == 0, "no block is held");
  }
  std::exit(0);
}

// In a process of its own, since no other test could go on in it.
TEST(GpuDeviceDeathTest, ALossEndsAllRequestsAndNeverHangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(RunIntoLoss(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace transept
