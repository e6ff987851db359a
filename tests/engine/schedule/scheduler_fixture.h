// What the tests of the scheduler have in common.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/schedule/scheduler.h"
#include "gtest/gtest.h"
#include "tests/support/letter_tokenizer.h"

namespace transept {

inline constexpr TokenId kStart = 7;
inline constexpr TokenId kEos = 1;

inline Request MakeRequest(int32_t source_length, int32_t max_new_tokens, TokenId fill = 5) {
  Request request;
  request.source.assign(source_length, fill);
  request.params.max_new_tokens = max_new_tokens;
  request.params.eos_tokens = {kEos};
  return request;
}

inline std::vector<RequestId> Requests(const StepPlan& plan) {
  std::vector<RequestId> ids;
  for (const RowPlan& row : plan.rows) ids.push_back(row.request);
  return ids;
}

// What remains to be said of a step that is over, when its plan's spans are gone.
struct Ran {
  std::vector<RequestId> rows;
  std::vector<size_t> fed;      // tokens of each row
  std::vector<size_t> encoded;  // lengths of the sources
};

// A scheduler with blocks of 4 positions, and what became of its requests.
class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() { options_ = {.max_rows = 4, .max_encoder_tokens = 100, .block_size = 4}; }

  // Starts afresh. To be called first.
  void Create(int32_t num_blocks, bool keep_idle = true) {
    scheduler_.reset();
    sources_.reset();
    ends_.clear();
    streamed_.clear();
    options_.decoder_start_token = kStart;
    pool_ = std::make_unique<BlockPool>(num_blocks);
    sources_ = std::make_unique<SourceCache>(pool_.get(), options_.block_size, keep_idle);
    scheduler_ = std::make_unique<Scheduler>(options_, pool_.get(), sources_.get(), &tokenizer_);
  }

  absl::Status Add(RequestId id, Request request) {
    return scheduler_->Add(id, std::move(request), now_);
  }

  StepPlan Schedule() {
    StepPlan plan = scheduler_->Schedule(now_);
    Collect();
    return plan;
  }

  // Every row of `plan` chose `token`.
  void Update(const StepPlan& plan, TokenId token = 20) {
    StepResult result;
    result.id = plan.id;
    result.rows.assign(plan.rows.size(), {token, -0.5f, {}});
    for (const RowPlan& row : plan.rows) {
      if (!row.targets.empty()) result.target_logprobs.emplace_back(row.targets.size(), -0.25f);
    }
    for (const EncodeItem& item : plan.encode) {
      if (item.pooling) result.states.push_back({static_cast<float>(item.source.size())});
    }
    result.encoded = plan.encode.empty() ? 0 : plan.id;
    result.encode_time = plan.encode.empty() ? Duration::zero() : std::chrono::milliseconds(3);
    scheduler_->Update(result, now_);
    Collect();
  }

  Ran Step(TokenId token = 20) {
    const StepPlan plan = Schedule();
    Ran ran{.rows = Requests(plan), .fed = {}, .encoded = {}};
    for (const RowPlan& row : plan.rows) ran.fed.push_back(row.tokens.size());
    for (const EncodeItem& item : plan.encode) ran.encoded.push_back(item.source.size());
    Update(plan, token);
    return ran;
  }

  void Collect() {
    for (Delivery& delivery : scheduler_->TakeDeliveries()) {
      if (const auto* delta = std::get_if<TokenDelta>(&delivery.event)) {
        for (const GeneratedToken& token : delta->tokens) {
          streamed_[delivery.request].push_back(token.token);
        }
      } else {
        auto& end = std::get<absl::StatusOr<Result>>(delivery.event);
        ASSERT_TRUE(ends_.emplace(delivery.request, std::move(end)).second);
      }
    }
  }

  bool Ended(RequestId id) const { return ends_.contains(id); }
  absl::StatusCode Code(RequestId id) const { return ends_.at(id).status().code(); }

  SchedulerOptions options_;
  LetterTokenizer tokenizer_;
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<SourceCache> sources_;
  std::unique_ptr<Scheduler> scheduler_;
  TimePoint now_ = TimePoint() + std::chrono::seconds(1000);
  std::map<RequestId, std::vector<TokenId>> streamed_;
  std::map<RequestId, absl::StatusOr<Result>> ends_;
};

}  // namespace transept
