// Graphs of some tens of rows in a 16-bit type, which may fetch weights ahead, on a GPU that is
// none. Its outputs mean nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "tests/engine/core/tiny_engine.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/fake_cuda.h"
#include "tests/support/log_capture.h"

namespace transept {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int32_t kMaxRows = 72;
constexpr int64_t kSizes = 7;  // of graphs that may: 24, 32, ... 64 and 72 rows

class GpuGraphs : public ::testing::Test {
 protected:
  GpuGraphs() { fake_cuda::Reset(); }
  ~GpuGraphs() override { EXPECT_EQ(fake_cuda::held(), 0); }

  // A model all of whose products the kernel of few rows serves.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(int32_t max_rows = kMaxRows) {
    ModelSpec spec = TinySpec();
    spec.d_model = 64;
    for (StackSpec* stack : {&spec.encoder, &spec.decoder}) {
      stack->head_size = stack->ffn_size = 32;
    }
    config::EngineConfig config = SmallConfig();
    config.device = "cuda";
    config.dtype = "bfloat16";
    config.kv_cache_mib = 0;
    config.max_rows = max_rows;
    const auto checkpoint = RandomCheckpoint(spec, kernels::DataType::kBFloat16, 7);
    return Engine::Create(config, *checkpoint, nullptr);
  }

  static int64_t GraphsOf(int32_t max_rows) {
    fake_cuda::ForgetCalls();
    const auto engine = Create(max_rows);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return fake_cuda::Calls()["cudaGraphInstantiate"];
  }
};

// Once for beams, which go by the others.
TEST_F(GpuGraphs, AreRecordedWithAndWithoutWeightsFetchedAhead) {
  EXPECT_EQ(GraphsOf(kMaxRows) - GraphsOf(16), 3 * kSizes);
}

TEST_F(GpuGraphs, DoNotFetchAheadForLessThanOnePercent) {
  const LogCapture log(spdlog::level::info);
  fake_cuda::SetElapsed({1.0f, 0.992f});
  ASSERT_TRUE(Create().ok());
  EXPECT_THAT(log.text(), Not(HasSubstr("fetched ahead")));
}

TEST_F(GpuGraphs, FetchAheadWhereThatIsFaster) {
  const LogCapture log(spdlog::level::info);
  fake_cuda::SetElapsed({1.0f, 0.9f});
  const auto engine = Create();
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_THAT(log.text(), HasSubstr("steps of 24, 32, 40, 48, 56, 64, 72 rows are faster with "
                                    "weights fetched ahead"));
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 2 * kMaxRows; ++i) {
    Request request;
    request.source = {2, 3, 4, 1};
    request.params.min_new_tokens = request.params.max_new_tokens = 5;
    request.params.num_beams = i % 3 == 0 ? 2 : 1;
    sinks.push_back(std::make_shared<CollectingSink>());
    ASSERT_TRUE((*engine)->Submit(request, sinks.back()).ok());
  }
  for (const auto& sink : sinks) {
    const auto result = sink->Wait();
    EXPECT_TRUE(result.ok()) << result.status();
  }
  const EngineStats stats = (*engine)->Stats();
  EXPECT_EQ(stats.blocks_used, stats.blocks_cached);
}

// Whichever call it is after which the device is lost.
TEST_F(GpuGraphs, AnyCallMayLoseTheDevice) {
  fake_cuda::SetElapsed({1.0f, 0.9f});
  ASSERT_TRUE(Create().ok());
  int64_t calls = 0;
  for (const auto& [name, count] : fake_cuda::Calls()) calls += count;
  for (int64_t after = 0; after < calls; after += 37) {
    fake_cuda::Reset();
    fake_cuda::SetElapsed({1.0f, 0.9f});
    fake_cuda::Inject({"", after, cudaErrorIllegalAddress});
    const absl::Status status = Create().status();
    ASSERT_EQ(fake_cuda::held(), 0) << after;
    if (status.ok()) continue;  // the engine was ready before
    EXPECT_THAT(std::string(status.message()), HasSubstr("illegal memory access")) << after;
  }
}

}  // namespace
}  // namespace transept
