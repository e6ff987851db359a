// What becomes of requests when a device fails in the middle of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "engine/start_engine.h"
#include "engine/types/errors.h"
#include "tests/engine/core/tiny_engine.h"
#include "tests/support/collecting_sink.h"

namespace transept {
namespace {

enum class At { kLaunch, kCollect };

// When a device fails. Shared by the test and the engine thread.
struct Faults {
  At at = At::kLaunch;
  std::atomic<int> step = -1;  // which Launch, or its Collect; -1 = none
  absl::Status status = absl::InternalError("out of luck");
  std::atomic<int> launches = 0;
  std::mutex device;  // a Launch needs it
};

// The CPU, but that it fails when told to, having written wrong values to the pages of the step.
// With a depth of 1 it keeps results back as a device does that runs on its own.
class FailingRunner final : public Runner {
 public:
  FailingRunner(std::unique_ptr<Runner> cpu, int depth, Faults* faults)
      : cpu_(std::move(cpu)), depth_(depth), faults_(*faults) {}

  absl::StatusOr<Ticket> Launch(const StepPlan& plan) override {
    const std::lock_guard lock(faults_.device);
    const int step = faults_.launches++;
    const bool fails = step == faults_.step;
    StepResult result = Run(fails ? Wrong(plan) : plan);
    if (fails && faults_.at == At::kLaunch) return Fail();
    done_.push_back({std::move(result), fails});
    return Ticket{plan.id};
  }

  absl::StatusOr<StepResult> Collect(Ticket ticket) override {
    EXPECT_FALSE(done_.empty());
    EXPECT_EQ(done_.front().first.id, ticket.step);
    auto [result, fails] = std::move(done_.front());
    done_.pop_front();
    if (fails) return Fail();
    return std::move(result);
  }

  int pipeline_depth() const override { return depth_; }
  bool encodes_beside_rows() const override { return depth_ > 0; }

 private:
  StepResult Run(const StepPlan& plan) {
    const auto ticket = cpu_->Launch(plan);
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    auto result = cpu_->Collect(*ticket);
    EXPECT_TRUE(result.ok()) << result.status();
    return *std::move(result);
  }

  // The same step with other tokens.
  StepPlan Wrong(StepPlan plan) {
    static const std::vector<TokenId> kOther(1000, 13);
    const absl::Span<const TokenId> other = kOther;
    for (EncodeItem& item : plan.encode) item.source = other.first(item.source.size());
    for (RowPlan& row : plan.rows) row.tokens = other.first(row.tokens.size());
    return plan;
  }

  absl::Status Fail() {
    done_.clear();
    return faults_.status;
  }

  const std::unique_ptr<Runner> cpu_;
  const int depth_;
  Faults& faults_;
  std::deque<std::pair<StepResult, bool>> done_;  // launched, not collected; whether to fail
};

std::unique_ptr<Engine> MakeEngine(int depth, Faults* faults) {
  const config::EngineConfig config = SmallConfig();
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kFloat32, 7);
  const auto options = ResolveEngineOptions(config, checkpoint->spec());
  EXPECT_TRUE(options.ok()) << options.status();
  auto loaded = LoadModel(*options, *checkpoint);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  loaded->runner = std::make_unique<FailingRunner>(std::move(loaded->runner), depth, faults);
  return StartEngine(config, *options, *std::move(loaded), nullptr);
}

// More of them than fit into a batch, none shorter than 30 steps.
std::vector<Request> LongRequests() {
  std::mt19937 random(1);
  std::vector<Request> requests(12);
  for (Request& request : requests) {
    request.source.resize(1 + random() % 40);
    for (TokenId& token : request.source) token = 2 + random() % 90;
    request.params.min_new_tokens = request.params.max_new_tokens = 30;
    request.params.eos_tokens = {1};
  }
  return requests;
}

std::vector<std::shared_ptr<CollectingSink>> SubmitAll(Engine* engine,
                                                       const std::vector<Request>& requests) {
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  for (const Request& request : requests) {
    sinks.push_back(std::make_shared<CollectingSink>());
    EXPECT_TRUE(engine->Submit(request, sinks.back()).ok());
  }
  return sinks;
}

class FailingDevice : public ::testing::TestWithParam<std::tuple<int, At>> {
 protected:
  FailingDevice() {
    faults_.at = std::get<At>(GetParam());
    engine_ = MakeEngine(std::get<int>(GetParam()), &faults_);
  }

  // Submits all, so that they are running or waiting when step 5 fails.
  std::vector<std::shared_ptr<CollectingSink>> RunIntoFailure(absl::Status status) {
    const std::lock_guard lock(faults_.device);
    faults_.status = std::move(status);
    faults_.step = faults_.launches + 5;
    return SubmitAll(engine_.get(), LongRequests());
  }

  Faults faults_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(FailingDevice, AFailedStepEndsItsRequestsAndHarmsNoLaterOne) {
  std::vector<std::vector<std::vector<TokenId>>> expected;
  Faults none;
  const auto healthy = MakeEngine(0, &none);
  for (const auto& sink : SubmitAll(healthy.get(), LongRequests())) {
    const auto result = sink->Wait();
    ASSERT_TRUE(result.ok()) << result.status();
    expected.push_back(AllTokens(*result));
  }
  for (int round = 0; round < 2; ++round) {
    const auto sinks = RunIntoFailure(absl::InternalError("out of luck"));
    for (const auto& sink : sinks) {
      EXPECT_EQ(sink->Wait().status().code(), absl::StatusCode::kInternal);
    }
    EXPECT_EQ(engine_->Stats().blocks_used, 0);  // not even cached sources are trusted
    EXPECT_EQ(engine_->Stats().rows_running, 0);
    EXPECT_TRUE(engine_->Health().ok());
    // The same sources: wrong pages would show.
    const auto again = SubmitAll(engine_.get(), LongRequests());
    for (size_t i = 0; i < again.size(); ++i) {
      const auto result = again[i]->Wait();
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(AllTokens(*result), expected[i]) << "request " << i;
    }
  }
  EXPECT_EQ(BlocksHeld(*engine_), 0);
}

TEST_P(FailingDevice, ALostDeviceEndsEverythingForGood) {
  EXPECT_TRUE(engine_->Health().ok());
  const auto sinks = RunIntoFailure(absl::UnavailableError("illegal address"));
  for (const auto& sink : sinks) {
    const absl::Status status = sink->Wait().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(RetryAfterOf(status).has_value());
  }
  EXPECT_EQ(engine_->Stats().blocks_used, 0);
  EXPECT_EQ(engine_->Health().code(), absl::StatusCode::kUnavailable);
  const int launches = faults_.launches;
  const absl::Status late = RunAlone(engine_.get(), LongRequests().front()).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(RetryAfterOf(late).has_value());
  engine_->Cancel(1);
  engine_->Drain(Clock::now() + std::chrono::minutes(1));
  EXPECT_EQ(faults_.launches, launches);
}

TEST_P(FailingDevice, WhatIsOnItsWayToALostDeviceEndsToo) {
  faults_.status = absl::UnavailableError("illegal address");
  faults_.step = 0;
  std::vector<std::shared_ptr<CollectingSink>> sinks;
  {
    const std::lock_guard lock(faults_.device);  // the first Launch waits, most never get there
    sinks = SubmitAll(engine_.get(), LongRequests());
  }
  for (const auto& sink : sinks) {
    EXPECT_EQ(sink->Wait().status().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(engine_->Stats().requests_failed, sinks.size());
}

INSTANTIATE_TEST_SUITE_P(All, FailingDevice,
                         ::testing::Combine(::testing::Values(0, 1),
                                            ::testing::Values(At::kLaunch, At::kCollect)));

}  // namespace
}  // namespace transept
