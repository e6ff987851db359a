// The scheduler against random arrivals, cancellations, deadlines, priorities, faults and pool
// sizes, with and without a step in flight.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/cache/block_pool.h"
#include "engine/cache/source_cache.h"
#include "engine/schedule/scheduler.h"
#include "gtest/gtest.h"
#include "tests/engine/schedule/fake_model.h"
#include "tests/engine/schedule/fake_runner.h"
#include "tests/engine/schedule/random_world.h"
#include "tests/support/collecting_sink.h"
#include "tests/support/letter_tokenizer.h"

namespace transept {
namespace {

using std::chrono::milliseconds;

// Steps until a source that is encoded beside rows has readers.
constexpr int64_t kLongestEncoding = 7;

// What the test knows of a request.
struct Client {
  Request request;
  AdmissionKey key;
  bool cancelled = false;
  bool started = false;
  std::optional<absl::StatusOr<Result>> end;
  std::map<int32_t, std::vector<TokenId>> streamed;
};

// What came to a good end in all simulations.
struct Ends {
  int64_t searches = 0, scored = 0, encoded = 0;  // requests
  int64_t stopped = 0;                            // outputs of searches, by a stop sequence
  int64_t streamed = 0, inherited = 0;            // tokens of searches; starts of samples
};

class Simulation {
 public:
  Simulation(uint32_t seed, Ends* ends)
      : world_(seed),
        ends_(*ends),
        pool_(world_.num_blocks),
        sources_(&pool_, world_.options.block_size, world_.keep_idle),
        scheduler_(world_.options, &pool_, &sources_, &tokenizer_),
        runner_(world_.num_blocks, world_.options, world_.eos_interval) {}

  // Stops at the first failure.
  void Run() {
    while (!Failed() && (submitted_ < world_.num_requests || !scheduler_.idle())) Step();
    while (!Failed() && !results_.empty()) Collect();
    if (!Failed()) CheckEnd();
  }

  EngineStats stats() const { return scheduler_.stats(); }

 private:
  bool Failed() const { return ::testing::Test::HasFailure(); }

  void Step() {
    now_ += milliseconds(1);
    ++steps_;
    Disturb();
    const EngineStats before = scheduler_.stats();
    const StepPlan plan = scheduler_.Schedule(now_);
    TakeDeliveries();
    CheckDue();
    CheckWork(plan);
    CheckOrder(plan);
    CheckHeadroom(plan, before);
    if (!plan.empty()) results_.push_back(runner_.Launch(plan));
    encoding_ += plan.encode.empty() ? 0 : 1;
    ASSERT_TRUE(encoding_ <= 2 || !world_.options.encode_beside_rows) << "a third encoding";
    ASSERT_EQ(runner_.errors(), std::vector<std::string>());
    // With nothing under way, somebody must move.
    ASSERT_TRUE(!results_.empty() || scheduler_.idle()) << "stuck";
    const size_t keep = plan.empty() ? 0 : world_.depth;
    while (!Failed() && results_.size() > keep) Collect();
    if (submitted_ == world_.num_requests) {
      ASSERT_LE(steps_, bound_) << "starvation";
    } else {
      bound_ = std::max(bound_, steps_);
    }
  }

  void Collect() {
    encoding_ -= results_.front().encoded > 0 && encoding_ > 0 ? 1 : 0;
    scheduler_.Update(results_.front(), now_);
    results_.pop_front();
    TakeDeliveries();
  }

  // What the outside world does before a step.
  void Disturb() {
    if (submitted_ < world_.num_requests && world_.Chance(world_.arrivals_in)) Submit();
    if (world_.Chance(world_.cancels_in) && !clients_.empty()) {
      const auto id = static_cast<RequestId>(world_.Pick(1, static_cast<int32_t>(submitted_)));
      scheduler_.Cancel(id);
      const auto client = clients_.find(id);
      if (client != clients_.end()) client->second.cancelled = true;
    }
    if (world_.Chance(world_.faults_in)) {
      scheduler_.FailAll(absl::InternalError("fault"));
      runner_.Scramble();
      encoding_ = 0;
      if (world_.Chance(2)) results_.clear();  // else stale results still come
      EXPECT_TRUE(scheduler_.idle());
      EXPECT_EQ(pool_.num_used(), 0);
    }
  }

  void Submit() {
    const RequestId id = ++submitted_;
    bound_ = std::max(bound_, steps_);
    Request request = world_.MakeRequest(now_);
    const bool possible = scheduler_.Check(request).ok();
    const absl::Status status = scheduler_.Add(id, request, now_);
    ASSERT_EQ(status.ok(), possible) << status;
    if (!status.ok()) return;
    const bool generates = !request.scores() && !request.pooling;
    if (generates && world_.options.max_target_positions > 0) {
      request.params.max_new_tokens = std::min(
          request.params.max_new_tokens,
          world_.options.max_target_positions - static_cast<int32_t>(request.target_prefix.size()));
    }
    // A step brings somebody a token, or only encodes, or is wasted on rows that have ended.
    const int32_t new_tokens = generates ? request.params.max_new_tokens : 1;
    bound_ += 2 * std::max(1, request.rows()) * (new_tokens + 2) + kLongestEncoding;
    Client& client = clients_[id];
    client.request = std::move(request);
    client.key =
        MakeAdmissionKey(now_, client.request.priority, world_.options.priority_interval, id);
    runner_.Register(id, &client.request);
  }

  void TakeDeliveries() {
    for (Delivery& delivery : scheduler_.TakeDeliveries()) {
      const auto found = clients_.find(delivery.request);
      ASSERT_TRUE(found != clients_.end());
      Client& client = found->second;
      ASSERT_FALSE(client.end.has_value()) << "delivery after the end";
      if (const auto* delta = std::get_if<TokenDelta>(&delivery.event)) {
        ASSERT_FALSE(delta->tokens.empty());
        for (const GeneratedToken& token : delta->tokens) {
          client.streamed[delta->hypothesis].push_back(token.token);
        }
        continue;
      }
      client.end = std::move(std::get<absl::StatusOr<Result>>(delivery.event));
      CheckResult(client);
    }
  }

  // Output does not depend on what shared the batch, nor on preemption.
  void CheckResult(const Client& client) {
    if (!client.end->ok()) {
      const absl::StatusCode code = client.end->status().code();
      const bool expected =
          (code == absl::StatusCode::kCancelled && client.cancelled) ||
          (code == absl::StatusCode::kDeadlineExceeded && client.request.deadline <= now_) ||
          (code == absl::StatusCode::kInternal && world_.faults_in > 0);
      ASSERT_TRUE(expected) << client.end->status();
      return;
    }
    const Result& result = **client.end;
    if (client.request.pooling) {
      ASSERT_EQ(result.states, FakeStates(client.request.source, *client.request.pooling));
      ++ends_.encoded;
      return;
    }
    if (client.request.params.beam_search()) ++ends_.searches;
    ends_.scored += client.request.scores();
    const auto expected = client.request.scores()
                              ? FakeScore(client.request)
                              : FakeGenerate(client.request, world_.eos_interval, &tokenizer_);
    ASSERT_EQ(result.hypotheses.size(), expected.size());
    for (size_t row = 0; row < expected.size(); ++row) {
      std::vector<TokenId> want = TokensOf(expected[row]);
      ASSERT_EQ(TokensOf(result.hypotheses[row]), want);
      if (client.request.scores()) want.clear();
      CheckStreamed(client, static_cast<int32_t>(row), want);
      ASSERT_EQ(result.hypotheses[row].finish_reason, expected[row].finish_reason);
      ends_.stopped += expected[row].finish_reason == FinishReason::kStopSequence;
      ASSERT_FLOAT_EQ(result.hypotheses[row].score, expected[row].score);
      ASSERT_EQ(result.hypotheses[row].eos.has_value(), expected[row].eos.has_value());
    }
    ASSERT_EQ(result.source_tokens, static_cast<int32_t>(client.request.source.size()));
    ASSERT_GE(result.timings.queue_ms, 0);
    ASSERT_GE(result.timings.total_ms, result.timings.queue_ms);
  }

  // Everything was streamed; of a search, what all of its outputs begin with.
  void CheckStreamed(const Client& client, int32_t row, std::vector<TokenId> want) {
    const auto found = client.streamed.find(row);
    const auto streamed = found == client.streamed.end() ? std::vector<TokenId>() : found->second;
    if (client.request.params.beam_search()) {
      ASSERT_LE(streamed.size(), want.size());
      want.resize(streamed.size());
      ends_.streamed += static_cast<int64_t>(streamed.size());
    }
    ASSERT_EQ(streamed, want);
  }

  // After Schedule nothing is left that was cancelled or has passed its deadline.
  void CheckDue() {
    for (const auto& [id, client] : clients_) {
      const bool due = client.cancelled ||
                       (client.request.deadline.has_value() && *client.request.deadline <= now_);
      ASSERT_TRUE(!due || client.end.has_value()) << "request " << id << " lives on";
    }
  }

  // A step's work has a bound: one token a row, and bulk within the budget or one item alone.
  void CheckWork(const StepPlan& plan) {
    ASSERT_LE(static_cast<int32_t>(plan.rows.size()), world_.options.max_rows);
    int64_t bulk = 0;
    int items = 0;
    for (const EncodeItem& item : plan.encode) {
      bulk += item.source.size();
      ++items;
    }
    for (const RowPlan& row : plan.rows) {
      if (row.tokens.size() <= 1) continue;
      bulk += row.tokens_computed();
      if (!row.params->beam_search() || row.hypothesis == 0) ++items;
      if (row.params->beam_search() && world_.options.max_search_tokens > 0) {
        ASSERT_LE(row.params->num_beams * static_cast<int32_t>(row.tokens.size()),
                  world_.options.max_search_tokens);
      }
    }
    ASSERT_TRUE(items <= 1 || bulk <= world_.options.max_encoder_tokens) << bulk;
  }

  // Whoever runs, all before it in order run too, unless they came when it was running already.
  // (Without a prefix a request's first row is in the plan of the step that admits it, or in a
  // later one if its source is encoded beside the rows.)
  void CheckOrder(const StepPlan& plan) {
    const int64_t running = scheduler_.stats().requests_running;
    for (const RowPlan& row : plan.rows) {
      Client& client = clients_.at(row.request);
      const bool starts = !std::exchange(client.started, true) && row.history.size() == 1 &&
                          !world_.options.encode_beside_rows;
      const auto ahead = std::count_if(clients_.begin(), clients_.end(), [&](const auto& entry) {
        const Client& other = entry.second;
        return !other.end && other.key < client.key && (starts || other.started);
      });
      ASSERT_LT(ahead, running) << "request " << row.request;
      ends_.inherited += row.inherited > 0 && row.starts();
    }
  }

  // After an admission nobody is preempted for block_size steps.
  void CheckHeadroom(const StepPlan& plan, const EngineStats& before) {
    if (scheduler_.stats().preemptions > before.preemptions && last_admission_ > 0) {
      const int64_t seen_late = world_.options.encode_beside_rows ? kLongestEncoding : 0;
      ASSERT_GT(steps_, last_admission_ - seen_late + world_.options.block_size);
    }
    for (const RowPlan& row : plan.rows) {
      if (row.history.size() == 1 && !row.tokens.empty()) last_admission_ = steps_;
    }
  }

  void CheckEnd() {
    int64_t finished = 0;
    for (const auto& [id, client] : clients_) {
      ASSERT_TRUE(client.end.has_value()) << "request " << id << " never ended";
      finished += client.end->ok() ? 1 : 0;
    }
    const EngineStats stats = scheduler_.stats();
    EXPECT_EQ(stats.requests_waiting, 0);
    EXPECT_EQ(stats.requests_running, 0);
    EXPECT_EQ(stats.rows_running, 0);
    EXPECT_EQ(stats.blocks_used, stats.blocks_cached);
    EXPECT_EQ(stats.requests_submitted, clients_.size());
    EXPECT_EQ(stats.requests_finished, finished);
    EXPECT_EQ(stats.requests_failed, clients_.size() - finished);
    if (!world_.keep_idle) {
      EXPECT_EQ(stats.blocks_used, 0);
    }
    sources_.Clear();
    EXPECT_EQ(pool_.num_used(), 0);
    EXPECT_EQ(pool_.num_free(), world_.num_blocks);
  }

  World world_;
  Ends& ends_;
  const LetterTokenizer tokenizer_;
  BlockPool pool_;
  SourceCache sources_;
  Scheduler scheduler_;
  FakeRunner runner_;
  TimePoint now_{};
  std::map<RequestId, Client> clients_;
  std::deque<StepResult> results_;
  int64_t submitted_ = 0;
  int64_t steps_ = 0;
  int64_t bound_ = 0;
  int encoding_ = 0;  // steps whose sources no result has named
  int64_t last_admission_ = 0;
};

TEST(SchedulerPropertyTest, RandomWorlds) {
  EngineStats total;
  Ends ends;
  for (uint32_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Simulation simulation(seed, &ends);
    simulation.Run();
    if (HasFailure()) return;
    const EngineStats stats = simulation.stats();
    total.requests_finished += stats.requests_finished;
    total.requests_failed += stats.requests_failed;
    total.requests_rejected += stats.requests_rejected;
    total.preemptions += stats.preemptions;
    total.sources_reused += stats.sources_reused;
  }
  // The worlds are hard enough to mean something.
  EXPECT_GT(total.requests_finished, 10000u);
  EXPECT_GT(total.requests_failed, 1000u);
  EXPECT_GT(total.requests_rejected, 1000u);
  EXPECT_GT(total.preemptions, 1000u);
  EXPECT_GT(total.sources_reused, 1000u);
  EXPECT_GT(ends.searches, 1000);
  EXPECT_GT(ends.streamed, 1000);
  EXPECT_GT(ends.stopped, 1000);
  EXPECT_GT(ends.scored, 1000);
  EXPECT_GT(ends.encoded, 1000);
  EXPECT_GT(ends.inherited, 1000);
}

}  // namespace
}  // namespace transept
