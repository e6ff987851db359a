// What rows choose on the GPU, against the CPU's chain.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/decode/sampler.h"
#include "engine/runner/device_choice.h"
#include "engine/runner/token_sets.h"
#include "kernels/cuda/select.h"
#include "tests/engine/runner/shared_memory.h"

namespace transept {
namespace {

using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;
using kernels::cuda::ScoredToken;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int32_t kMaxLength = 1500;

// A row that chooses.
struct Case {
  DecodeParams params;
  std::vector<TokenId> history = {0};
  int32_t prompt_length = 1;
  int32_t hypothesis = 0;
  std::vector<float> logits;

  GeneratedToken ChooseOnCpu() const {
    std::vector<float> scratch = logits;
    return ChooseToken(
        params, {.history = history, .prompt_length = prompt_length, .hypothesis = hypothesis},
        absl::MakeSpan(scratch));
  }
};

std::vector<float> RandomLogits(int64_t vocab, uint32_t seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

class GpuChoiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string error;
    device_ = kernels::cuda::Device::Open(&error);
    ASSERT_NE(device_, nullptr) << error;
  }

  // All cases as rows of one step, in slots that are not their indices: each row is fed its whole
  // history. Checks that the tokens chosen were appended to the histories.
  std::vector<GeneratedToken> ChooseOnGpu(const std::vector<Case>& cases) {
    const auto rows = static_cast<int64_t>(cases.size());
    const auto vocab = static_cast<int64_t>(cases[0].logits.size());
    const int64_t stride = vocab + 3;
    std::vector<float> logits(rows * stride);
    std::vector<int32_t> ids, positions, offsets = {0};
    std::vector<RowChoice> choices;
    TokenSets sets(device_.get(), rows, vocab);
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
      choices.push_back(ChoiceOf(plan));
      sets.Send(plan.slot, c.params);
    }
    Shared<float> device_logits(logits);
    Shared<int32_t> device_ids(ids), device_positions(positions), device_offsets(offsets);
    Shared<RowChoice> device_choices(choices);
    Shared<int32_t> history(std::vector<int32_t>(rows * kMaxLength, -7));
    Shared<ScoredToken> chosen(rows), top(rows * kMaxTopTokens);
    const kernels::cuda::RowSlots slots{.history = history.data(),
                                        .history_stride = kMaxLength,
                                        .token_sets = sets.masks(),
                                        .set_words = sets.words()};
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

  void Finish() {
    device_->Check(cudaStreamSynchronize(device_->stream()), "a test");
    ASSERT_TRUE(device_->ok()) << device_->error();
  }

  void ExpectCpuChoices(const std::vector<Case>& cases) {
    const std::vector<GeneratedToken> actual = ChooseOnGpu(cases);
    for (size_t row = 0; row < cases.size(); ++row) {
      SCOPED_TRACE(testing::Message() << "row " << row << " of " << cases.size() << ", vocabulary "
                                      << cases[row].logits.size());
      const GeneratedToken expected = cases[row].ChooseOnCpu();
      EXPECT_EQ(actual[row].token, expected.token);
      ExpectLogprob(actual[row].logprob, expected.logprob);
      ASSERT_EQ(actual[row].top.size(), expected.top.size());
      for (size_t i = 0; i < expected.top.size(); ++i) {
        EXPECT_EQ(actual[row].top[i].token, expected.top[i].token) << "alternative " << i;
        ExpectLogprob(actual[row].top[i].logprob, expected.top[i].logprob);
      }
    }
  }

  static void ExpectLogprob(float actual, float expected) {
    if (std::isinf(expected)) {
      EXPECT_EQ(actual, expected);
    } else {
      EXPECT_NEAR(actual, expected, 1e-4 * std::max(1.0f, std::abs(expected)));
    }
  }

  std::unique_ptr<kernels::cuda::Device> device_;
};

// One row is shared by many thread blocks, many rows have one each.
constexpr struct {
  int64_t vocab;
  int rows;
} kShapes[] = {{1, 2},    {17, 1},    {17, 300},    {97, 40},    {2048, 9},
               {5003, 7}, {32128, 1}, {32128, 140}, {250112, 1}, {250112, 5}};

TEST_F(GpuChoiceTest, Greedy) {
  for (const auto& [vocab, rows] : kShapes) {
    std::vector<Case> cases(rows);
    for (int row = 0; row < rows; ++row) cases[row].logits = RandomLogits(vocab, row, 4.0f);
    ExpectCpuChoices(cases);
  }
}

TEST_F(GpuChoiceTest, HostileLogits) {
  for (const int64_t vocab : {97, 5003, 40000}) {
    std::vector<Case> cases(7);
    for (Case& c : cases) c.logits = RandomLogits(vocab, 3, 4.0f);
    cases[0].logits[90] = cases[0].logits[17] = 50.0f;  // a tie
    cases[1].logits.assign(vocab, -kInfinity);
    cases[2].logits.assign(vocab, kNan);
    cases[3].logits.assign(vocab, -kInfinity);
    cases[3].logits[vocab - 1] = -3.0f;
    cases[4].logits[60] = cases[4].logits[50] = kInfinity;
    cases[5].logits[0] = kNan;
    cases[6].logits.assign(vocab, -0.0f);
    cases[6].logits[80] = 0.0f;  // no more than the others
    ExpectCpuChoices(cases);
    for (Case& c : cases) c.params.top_logprobs = kMaxTopLogprobs;
    ExpectCpuChoices(cases);
    for (Case& c : cases) {
      c.params.do_sample = true;
      c.params.top_k = 2;
      c.params.top_p = 0.7f;
    }
    ExpectCpuChoices(cases);
  }
}

TEST_F(GpuChoiceTest, TopLogprobs) {
  for (const auto& [vocab, rows] : kShapes) {
    std::vector<Case> cases(std::min(rows, 20));
    for (size_t row = 0; row < cases.size(); ++row) {
      cases[row].logits = RandomLogits(vocab, 50 + row, 4.0f);
      if (row % 2 == 1) {  // ties
        for (float& logit : cases[row].logits) logit = std::round(logit);
      }
      cases[row].params.top_logprobs = static_cast<int32_t>(row % 3 * 10);
      cases[row].params.do_sample = row % 4 == 2;
    }
    ExpectCpuChoices(cases);
  }
}

// Histories of few tokens, so that n-grams repeat.
TEST_F(GpuChoiceTest, Processors) {
  std::mt19937 random(5);
  const auto below = [&](int32_t bound) { return static_cast<int32_t>(random() % bound); };
  for (const auto& [vocab, rows] : kShapes) {
    if (vocab < 17) continue;
    const auto tokens = [&, size = static_cast<int32_t>(vocab)](int32_t count) {
      std::vector<TokenId> list(count);
      for (TokenId& token : list) token = below(size);
      return list;
    };
    std::vector<Case> cases(rows);
    for (int row = 0; row < rows; ++row) {
      Case& c = cases[row];
      c.logits = RandomLogits(vocab, 100 + row, 2.0f);
      const std::vector<TokenId> used = tokens(4);
      c.history.resize(1 + below(below(4) == 0 ? 1400 : 40));
      for (TokenId& token : c.history) token = used[below(4)];
      c.prompt_length = 1 + below(static_cast<int32_t>(c.history.size()));
      for (const TokenId token : used) c.logits[token] += 8.0f * static_cast<float>(below(2));
      DecodeParams& params = c.params;
      params.eos_tokens = used;
      params.max_new_tokens = 30;
      if (below(2)) params.repetition_penalty = below(2) ? 1.7f : 0.6f;
      if (below(2)) params.no_repeat_ngram_size = 1 + below(4);
      if (below(2)) params.min_new_tokens = below(30);
      if (below(2)) params.suppress_tokens = tokens(1 + below(static_cast<int32_t>(vocab)));
      if (below(2)) params.begin_suppress_tokens = tokens(3);
      if (below(4) == 0) params.forced_bos_token = used[0];
      if (below(4) == 0) {
        params.forced_eos_token = used[1];
        params.max_new_tokens =
            std::max(1, 1 + static_cast<int32_t>(c.history.size()) - c.prompt_length);
      }
      params.top_logprobs = below(4);
    }
    ExpectCpuChoices(cases);
  }
}

// All settings with each other, several draws of each. A draw within 1e-5 of where two tokens meet
// may go either way; so few come that close that none is expected here.
TEST_F(GpuChoiceTest, Sampling) {
  for (const int64_t vocab : {17, 97, 5003, 32128, 250112}) {
    std::vector<Case> cases;
    for (const float temperature : {1.0f, 0.6f, 1.5f}) {
      for (const int32_t top_k : {0, 1, 5, 50, 600, 3000}) {
        for (const float top_p : {1.0f, 0.9f, 0.3f, 1e-9f}) {
          for (const float min_p : {0.0f, 0.02f, 1.0f}) {
            Case& c = cases.emplace_back();
            c.params.do_sample = true;
            c.params.temperature = temperature;
            c.params.top_k = top_k;
            c.params.top_p = top_p;
            c.params.min_p = min_p;
            c.params.seed = 77 * cases.size();
            c.params.top_logprobs = static_cast<int32_t>(cases.size() % 3);
            c.hypothesis = static_cast<int32_t>(cases.size() % 5);
            c.history.assign(1 + cases.size() % 9, 0);
            // So steep that single tokens weigh more than roundings.
            c.logits = RandomLogits(vocab, cases.size(), vocab < 5000 ? 2.0f : 6.0f);
          }
        }
      }
    }
    // A large vocabulary's cases go in small steps, which have several blocks a row.
    const size_t step = vocab > 100000 ? 20 : cases.size();
    for (size_t begin = 0; begin < cases.size(); begin += step) {
      const size_t end = std::min(begin + step, cases.size());
      ExpectCpuChoices({cases.begin() + begin, cases.begin() + end});
    }
  }
}

// Equal scores, more of them than fit in a block's memory: top-k keeps all, top-p the lowest ids.
TEST_F(GpuChoiceTest, SamplingAmongEquals) {
  for (const int64_t vocab : {97, 5003}) {
    std::vector<Case> cases;
    for (const int32_t top_k : {0, 5, 900}) {
      for (const float top_p : {1.0f, 0.5f, 0.001f}) {
        for (int draw = 0; draw < 10; ++draw) {
          Case& c = cases.emplace_back();
          c.params.do_sample = true;
          c.params.top_k = top_k;
          c.params.top_p = top_p;
          c.params.seed = cases.size();
          c.logits.assign(vocab, -1.0f);
          c.logits[11] = c.logits[70] = -kInfinity;
        }
      }
    }
    ExpectCpuChoices(cases);
  }
}

TEST_F(GpuChoiceTest, ExtremeTemperatures) {
  std::vector<Case> cases;
  for (const float temperature :
       {std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max()}) {
    for (const float top_p : {1.0f, 0.5f, std::numeric_limits<float>::denorm_min()}) {
      for (const float min_p : {0.0f, 0.5f, 1.0f}) {
        Case& c = cases.emplace_back();
        c.params.do_sample = true;
        c.params.temperature = temperature;
        c.params.top_p = top_p;
        c.params.min_p = min_p;
        c.params.seed = cases.size();
        c.logits = {1.0f, 2.0f, -kInfinity, 1.5f};
      }
    }
  }
  ExpectCpuChoices(cases);
}

// 20,000 draws over 40 classes, as many as tests/engine/decode/sampler_test.cc makes: 39 degrees of
// freedom, of which 99.99 % lie below 82.
TEST_F(GpuChoiceTest, FrequenciesFollowTheProbabilities) {
  constexpr int kDraws = 20000;
  std::vector<Case> cases(kDraws);
  for (int i = 0; i < kDraws; ++i) {
    cases[i].logits = RandomLogits(40, 7, 1.0f);
    cases[i].params.do_sample = true;
    cases[i].params.seed = i / 100;
    cases[i].hypothesis = i % 100;
  }
  std::vector<int> counts(40);
  for (const GeneratedToken& chosen : ChooseOnGpu(cases)) ++counts[chosen.token];
  double total = 0.0, chi_square = 0.0;
  for (const float logit : cases[0].logits) total += std::exp(double{logit});
  for (int token = 0; token < 40; ++token) {
    const double expected = kDraws * std::exp(double{cases[0].logits[token]}) / total;
    chi_square += (counts[token] - expected) * (counts[token] - expected) / expected;
  }
  EXPECT_LT(chi_square, 82.0);
  EXPECT_GT(chi_square, 12.0);
}

TEST_F(GpuChoiceTest, FeedsTokensThatOnlyTheDeviceKnows) {
  // Row 0 is in slot 2 and knows its tokens, row 1 is in slot 0 and does not know its third one.
  Shared<int32_t> ids({5, 6, -1}), positions({3, 4, 2}), offsets({0, 2, 3});
  Shared<RowChoice> rows({RowChoice{.slot = 2}, RowChoice{.slot = 0}});
  Shared<int32_t> history({70, 71, 72, 73, 74, 80, 81, 82, 83, 84, 90, 91, 92, 93, 94});
  kernels::cuda::FeedTokens({.token_ids = ids.data(),
                             .positions = positions.data(),
                             .query_offsets = offsets.data(),
                             .rows = rows.data(),
                             .num_rows = 2,
                             .slots = {.history = history.data(), .history_stride = 5}},
                            *device_);
  Finish();
  EXPECT_EQ(std::vector<int32_t>(ids.data(), ids.data() + 3), (std::vector<int32_t>{5, 6, 72}));
  EXPECT_EQ(std::vector<int32_t>(history.data(), history.data() + 15),
            (std::vector<int32_t>{70, 71, 72, 73, 74, 80, 81, 82, 83, 84, 90, 91, 92, 5, 6}));
}

}  // namespace
}  // namespace transept
