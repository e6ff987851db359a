#include "tests/engine/runner/gpu_choice_fixture.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "engine/decode/sampler.h"
#include "engine/runner/device_choice.h"
#include "engine/runner/row_rules.h"
#include "engine/runner/token_sets.h"
#include "kernels/cuda/select.h"
#include "tests/engine/runner/shared_memory.h"

namespace transept {
namespace {

using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;
using kernels::cuda::ScoredToken;

GeneratedToken ChooseOnCpu(const Case& c) {
  std::vector<float> scratch = c.logits;
  return ChooseToken(c.params,
                     {.history = c.history,
                      .source = c.source,
                      .prompt_length = c.prompt_length,
                      .hypothesis = c.hypothesis},
                     absl::MakeSpan(scratch));
}

void ExpectLogprob(float actual, float expected) {
  if (std::isinf(expected)) {
    EXPECT_EQ(actual, expected);
  } else {
    EXPECT_NEAR(actual, expected, 1e-4 * std::max(1.0f, std::abs(expected)));
  }
}

}  // namespace

std::vector<float> RandomLogits(int64_t vocab, uint32_t seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

void GpuChoiceTest::SetUp() {
  std::string error;
  device_ = kernels::cuda::Device::Open(&error);
  ASSERT_NE(device_, nullptr) << error;
}

std::vector<GeneratedToken> GpuChoiceTest::ChooseOnGpu(const std::vector<Case>& cases) {
  const auto rows = static_cast<int64_t>(cases.size());
  const auto vocab = static_cast<int64_t>(cases[0].logits.size());
  const int64_t stride = (vocab + 7) / 4 * 4;
  // What lies behind a row would be chosen, were it looked at.
  std::vector<float> logits(rows * stride, std::numeric_limits<float>::infinity());
  std::vector<int32_t> ids, positions, offsets = {0};
  std::vector<RowChoice> choices;
  TokenSets sets(device_.get(), rows, vocab);
  RowRules rules(device_.get(), rows, kMaxSource);
  for (int64_t row = 0; row < rows; ++row) {
    const Case& c = cases[row];
    std::copy(c.logits.begin(), c.logits.end(), logits.begin() + row * stride);
    for (const TokenId token : c.history) {
      ids.push_back(token);
      positions.push_back(static_cast<int32_t>(ids.size()) - 1 - offsets.back());
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
    RowPlan plan;
    plan.slot = static_cast<int32_t>(rows - 1 - row);
    plan.hypothesis = c.hypothesis;
    plan.params = &c.params;
    plan.prompt_length = c.prompt_length;
    plan.tokens = plan.history = c.history;
    const SourceView source{.length = static_cast<int32_t>(c.source.size()), .tokens = c.source};
    choices.push_back(ChoiceOf(plan, source));
    choices.back().result = static_cast<int32_t>(row);
    sets.Add(plan.slot, c.params, c.source);
    rules.Send(plan.slot, c.params, c.source);
  }
  sets.Send();
  Shared<float> device_logits(logits);
  Shared<int32_t> device_ids(ids), device_positions(positions), device_offsets(offsets);
  Shared<RowChoice> device_choices(choices);
  Shared<int32_t> history(std::vector<int32_t>(rows * kMaxLength, -7));
  Shared<ScoredToken> chosen(rows), top(rows * kMaxTopTokens);
  kernels::cuda::RowSlots slots{.history = history.data(),
                                .history_stride = kMaxLength,
                                .token_sets = sets.masks(),
                                .set_words = sets.words()};
  rules.AddTo(&slots);
  kernels::cuda::FeedTokens({.token_ids = device_ids.data(),
                             .positions = device_positions.data(),
                             .query_offsets = device_offsets.data(),
                             .rows = device_choices.data(),
                             .num_rows = rows,
                             .slots = slots},
                            *device_);
  kernels::cuda::ChooseTokens(
      {.logits = {device_logits.data(), kernels::DataType::kFloat32, vocab, stride},
       .rows = device_choices.data(),
       .num_rows = rows,
       .slots = slots,
       .chosen = chosen.data(),
       .top = top.data()},
      *device_);
  Finish();

  std::vector<GeneratedToken> results(rows);
  for (int64_t row = 0; row < rows; ++row) {
    results[row].token = chosen[row].token;
    results[row].logprob = chosen[row].logprob;
    for (int32_t i = 0; i < choices[row].top_tokens; ++i) {
      const ScoredToken& entry = top[row * kMaxTopTokens + i];
      if (entry.token < 0) break;
      results[row].top.push_back({entry.token, entry.logprob});
    }
    std::vector<TokenId> expected = cases[row].history;
    expected.push_back(results[row].token);
    const int32_t* kept = history.data() + (rows - 1 - row) * kMaxLength;
    EXPECT_EQ(std::vector<TokenId>(kept, kept + expected.size()), expected) << "row " << row;
    EXPECT_EQ(kept[expected.size()], -7) << "row " << row;
  }
  return results;
}

void GpuChoiceTest::Finish() {
  device_->Check(cudaStreamSynchronize(device_->stream()), "a test");
  ASSERT_TRUE(device_->ok()) << device_->error();
}

void GpuChoiceTest::ExpectCpuChoices(const std::vector<Case>& cases) {
  const std::vector<GeneratedToken> actual = ChooseOnGpu(cases);
  for (size_t row = 0; row < cases.size(); ++row) {
    SCOPED_TRACE(testing::Message() << "row " << row << " of " << cases.size() << ", vocabulary "
                                    << cases[row].logits.size());
    const GeneratedToken expected = ChooseOnCpu(cases[row]);
    EXPECT_EQ(actual[row].token, expected.token);
    ExpectLogprob(actual[row].logprob, expected.logprob);
    ASSERT_EQ(actual[row].top.size(), expected.top.size());
    for (size_t i = 0; i < expected.top.size(); ++i) {
      EXPECT_EQ(actual[row].top[i].token, expected.top[i].token) << "alternative " << i;
      ExpectLogprob(actual[row].top[i].logprob, expected.top[i].logprob);
    }
  }
}

}  // namespace transept
