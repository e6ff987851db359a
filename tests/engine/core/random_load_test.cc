// Random requests that join, leave, are cancelled, expire and are preempted at all times, against
// the same requests run alone. For as many seconds as TRANSEPT_TEST_SECONDS says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "tests/engine/core/tiny_engine.h"
#include "tests/support/collecting_sink.h"

namespace transept {
namespace {

constexpr char kDevice[] = TRANSEPT_TEST_DEVICE;
constexpr bool kOnCpu = std::string_view(kDevice) == "cpu";
constexpr int kRequests = 80;  // different ones
constexpr int kClients = 96;   // at a time
constexpr int kMostPrefix = 6;
constexpr int kMostOfBeams = 36;  // new tokens

std::chrono::duration<double> TestTime() {
  const char* const seconds = std::getenv("TRANSEPT_TEST_SECONDS");
  return std::chrono::duration<double>(seconds ? std::atof(seconds) : 1.2);
}

int Draw(std::mt19937* random, int low, int high) {
  return low + static_cast<int>((*random)() % static_cast<unsigned>(high - low + 1));
}

Request RandomRequest(std::mt19937* random, int most_beams) {
  Request request;
  request.source.resize(Draw(random, 1, 48));
  for (TokenId& token : request.source) token = Draw(random, 2, 96);
  const int kind = Draw(random, 0, 9);
  if (kind == 0) {
    request.pooling = static_cast<Pooling>(Draw(random, 0, 3));
    return request;
  }
  if (kind <= 2) {
    request.targets.resize(Draw(random, 1, 3));
    for (std::vector<TokenId>& target : request.targets) {
      target.resize(Draw(random, 1, 20));
      for (TokenId& token : target) token = Draw(random, 1, 96);
    }
    return request;
  }
  const auto draw_prefix = [&](int most) {
    request.target_prefix.resize(Draw(random, 1, most));
    for (TokenId& token : request.target_prefix) token = Draw(random, 2, 96);
  };
  if (Draw(random, 0, 3) == 0) draw_prefix(kMostPrefix);
  DecodeParams& params = request.params;
  params.max_new_tokens = Draw(random, 10, 60);
  params.min_new_tokens = Draw(random, 0, params.max_new_tokens);
  params.eos_tokens = {1};
  params.top_logprobs = Draw(random, 0, 3) == 0 ? 2 : 0;
  if (Draw(random, 0, 3) == 0) params.repetition_penalty = 1.5f;
  if (Draw(random, 0, 3) == 0) params.no_repeat_ngram_size = 2;
  if (Draw(random, 0, 2) == 0) {
    params.do_sample = true;
    params.seed = Draw(random, 0, 1 << 30);
  }
  if (Draw(random, 0, 2) == 0) {
    params.num_beams = Draw(random, 2, most_beams);
    params.num_sequences = Draw(random, 1, std::min(params.num_beams, 3));
    params.max_new_tokens = std::min(params.max_new_tokens, kMostOfBeams);
    params.min_new_tokens = std::min(params.min_new_tokens, params.max_new_tokens);
    params.early_stopping = static_cast<EarlyStopping>(Draw(random, 0, 2));
  } else if (Draw(random, 0, 1) == 0) {
    params.num_sequences = Draw(random, 2, 3);
    draw_prefix(20);  // blocks that the first computes and the others inherit
  }
  return request;
}

config::EngineConfig DeviceConfig() {
  config::EngineConfig config = SmallConfig();
  config.device = kDevice;
  config.dtype = "float32";
  // A GPU computes a preempted search's rows again in one step, which has room for a row of the
  // longest source and output: for all beams from the decoder start on.
  config.max_source_tokens = kMaxBeams * (1 + kMostPrefix + kMostOfBeams);
  return config;
}

std::unique_ptr<Engine> MakeEngine(const config::EngineConfig& config) {
  const auto checkpoint = RandomCheckpoint(TinySpec(), kernels::DataType::kFloat32, 7);
  auto engine = Engine::Create(config, *checkpoint, nullptr);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

// The last bits of a GPU's logits may depend on how many rows there are, so a greedy choice between
// two tokens that are all but equal proves nothing.
bool HasNearTie(const Request& request, const Result& result) {
  const DecodeParams& params = request.params;
  if (params.do_sample || params.beam_search() || request.scores() || request.pooling) return false;
  const auto near = [](const GeneratedToken& token) {
    return token.top[0].logprob - token.top[1].logprob < 1e-3f;
  };
  const Hypothesis& hypothesis = result.hypotheses[0];
  return std::any_of(hypothesis.tokens.begin(), hypothesis.tokens.end(), near) ||
         (hypothesis.eos && near(*hypothesis.eos));
}

// What the first output's row computed of the prefix serves the others as well as it does that one.
void ExpectGreedyOutputsAreAlike(const Request& request, const Result& result) {
  const DecodeParams& params = request.params;
  if (params.do_sample || params.beam_search() || request.scores()) return;
  for (const Hypothesis& hypothesis : result.hypotheses) {
    EXPECT_EQ(TokensOf(hypothesis), TokensOf(result.hypotheses[0]));
  }
}

struct Case {
  Request request;
  Result alone;  // what it gets when it runs alone
};

// Targets' log-probabilities and encoder states.
std::vector<float> NumbersOf(const Result& result) {
  std::vector<float> numbers = result.states;
  for (const Hypothesis& target : result.hypotheses) {
    for (const GeneratedToken& token : target.tokens) numbers.push_back(token.logprob);
  }
  return numbers;
}

// Searches have at most so many beams.
std::vector<Case> MakeCases(uint32_t seed, int most_beams) {
  std::vector<Case> cases;
  config::EngineConfig config = DeviceConfig();
  config.max_rows = std::max(config.max_rows, most_beams);
  const std::unique_ptr<Engine> engine = MakeEngine(config);
  if (engine == nullptr) return cases;
  std::mt19937 random(seed);
  while (cases.size() < kRequests && !::testing::Test::HasFailure()) {
    const Request request = RandomRequest(&random, most_beams);
    Request alone = request;
    alone.params.top_logprobs = 2;
    const auto result = RunAlone(engine.get(), alone);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok() || HasNearTie(request, *result)) continue;
    ExpectGreedyOutputsAreAlike(request, *result);
    cases.push_back({request, *result});
  }
  return cases;
}

struct World {
  std::string name;
  config::EngineConfig config;
  bool preempts = false;
};

void PrintTo(const World& world, std::ostream* out) {
  *out << world.name;
}

// In the first, requests outgrow the blocks: 1820 positions for 64 rows of up to 81, and sources.
std::vector<World> Worlds() {
  World cramped{"Cramped", DeviceConfig(), /*preempts=*/true};
  cramped.config.block_size = 1;
  cramped.config.max_rows = 64;
  World narrow{"Narrow", DeviceConfig()};
  narrow.config.max_encoder_tokens = 16;
  narrow.config.max_rows = 3;
  narrow.config.source_cache = false;
  World wide{"Wide", DeviceConfig()};
  wide.config.block_size = 16;
  wide.config.max_rows = 64;
  wide.config.max_encoder_tokens = 256;
  wide.config.kv_cache_mib = 64;
  return {cramped, narrow, wide};
}

class RandomLoad : public ::testing::TestWithParam<World> {
 protected:
  // One client: request after request, until the time is over or something is wrong.
  void RunClient(uint32_t seed, TimePoint end) {
    std::mt19937 random(seed);
    while ((Clock::now() < end || LacksPreemptions(end)) && !HasFailure()) {
      const Case& c = cases_[random() % cases_.size()];
      Request request = c.request;
      request.priority = Draw(&random, -1, 1);
      if (random() % 16 == 0) request.deadline = Clock::now() + std::chrono::milliseconds(5);
      auto sink = std::make_shared<CollectingSink>();
      const auto id = engine_->Submit(request, sink);
      ASSERT_TRUE(id.ok()) << id.status();
      const bool cancelled = random() % 4 == 0;
      if (cancelled) {
        if (random() % 2 == 0) sink->WaitForToken();
        engine_->Cancel(*id);
      }
      Check(c, sink->Wait(), cancelled, request.deadline.has_value());
    }
  }

  // A slow machine, or a build that watches every access, needs longer to fill the pool.
  bool LacksPreemptions(TimePoint end) const {
    return GetParam().preempts && engine_->Stats().preemptions == 0 &&
           Clock::now() < end + std::chrono::minutes(1);
  }

  void Check(const Case& c, const absl::StatusOr<Result>& result, bool cancelled, bool expires) {
    if (result.ok()) {
      SCOPED_TRACE(::testing::Message() << "request " << &c - cases_.data());
      if (kOnCpu || !c.request.params.beam_search()) {
        EXPECT_EQ(AllTokens(*result), AllTokens(c.alone));
      } else if (AllTokens(*result) != AllTokens(c.alone)) {
        differ_[&c - cases_.data()] = true;
      }
      if (c.request.scores() || c.request.pooling) {
        EXPECT_THAT(NumbersOf(*result),
                    ::testing::Pointwise(::testing::FloatNear(1e-3f), NumbersOf(c.alone)));
      }
      ++compared_;
      return;
    }
    const absl::StatusCode code = result.status().code();
    EXPECT_TRUE((cancelled && code == absl::StatusCode::kCancelled) ||
                (expires && code == absl::StatusCode::kDeadlineExceeded))
        << result.status();
  }

  // Where a GPU's last bits turn round the order of two beams, nothing tells it. Such searches are
  // few, while what is wrong with searches in a batch would show in nearly all of them some time.
  void ExpectFewSearchesDiffer() const {
    const auto searches = std::count_if(
        cases_.begin(), cases_.end(), [](const Case& c) { return c.request.params.beam_search(); });
    EXPECT_GT(searches, kRequests / 10);
    EXPECT_LE(std::count(differ_.begin(), differ_.end(), true), searches / 4);
  }

  std::vector<Case> cases_;
  std::array<std::atomic<bool>, kRequests> differ_{};  // by case: searches on a GPU, ever
  std::unique_ptr<Engine> engine_;
  std::atomic<int> compared_ = 0;
};

TEST_P(RandomLoad, GivesEachRequestWhatItGetsAlone) {
  cases_ = MakeCases(/*seed=*/1, std::min(GetParam().config.max_rows, kMaxBeams));
  ASSERT_EQ(cases_.size(), kRequests);
  engine_ = MakeEngine(GetParam().config);
  ASSERT_NE(engine_, nullptr);
  const TimePoint end =
      Clock::now() + std::chrono::duration_cast<Duration>(TestTime() / Worlds().size());
  std::vector<std::thread> clients;
  for (uint32_t i = 0; i < kClients; ++i) {
    clients.emplace_back([this, i, end] { RunClient(100 + i, end); });
  }
  for (std::thread& client : clients) client.join();

  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(BlocksHeld(*engine_), 0);
  EXPECT_EQ(stats.rows_running, 0);
  EXPECT_EQ(stats.requests_submitted, stats.requests_finished + stats.requests_failed);
  EXPECT_GT(compared_, kClients / 2);
  ExpectFewSearchesDiffer();
  if (GetParam().preempts) {
    EXPECT_GT(stats.preemptions, 0u);
  }
  RecordProperty("compared", compared_);
  RecordProperty("preemptions", static_cast<int>(stats.preemptions));
}

INSTANTIATE_TEST_SUITE_P(Worlds, RandomLoad, ::testing::ValuesIn(Worlds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace transept
