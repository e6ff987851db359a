// What rows choose on the GPU, against the CPU's chain.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/cuda/select.h"
#include "tests/engine/runner/gpu_choice_fixture.h"
#include "tests/engine/runner/shared_memory.h"

namespace transept {
namespace {

using kernels::cuda::RowChoice;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One row is shared by many thread blocks, many rows have one each.
constexpr struct {
  int64_t vocab;
  int rows;
} kShapes[] = {{1, 2},     {17, 1},      {17, 300},    {97, 40},    {2048, 9},
               {5003, 7},  {32128, 1},   {32128, 140}, {250112, 1}, {250112, 5},
               {58101, 3}, {58101, 150}, {256206, 2}};

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

// Histories of few tokens, so that n-grams repeat, and sources and sequences of the same ones.
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
      const auto sequence = [&] {
        std::vector<TokenId> list(1 + below(4));
        for (TokenId& token : list) token = used[below(4)];
        return list;
      };
      c.source.resize(1 + below(kMaxSource));
      for (TokenId& token : c.source) token = used[below(4)];
      if (below(4) == 0) c.source[0] = static_cast<TokenId>(vocab) + 40;  // of another vocabulary
      if (below(3) == 0) params.encoder_repetition_penalty = below(2) ? 1.7f : 0.6f;
      if (below(3) == 0) params.encoder_no_repeat_ngram_size = 1 + below(4);
      if (below(3) == 0) params.length_decay = {below(3), below(2) ? 1.1f : 0.9f};
      for (int i = below(3) * below(5); i > 0; --i) params.bad_words.push_back(sequence());
      for (int i = below(3) * below(5); i > 0; --i) {
        params.sequence_bias.push_back({sequence(), static_cast<float>(below(9) - 4)});
      }
    }
    ExpectCpuChoices(cases);
  }
}

// As many sequences as a row may have, most of them on the same few tokens.
TEST_F(GpuChoiceTest, ManySequences) {
  std::mt19937 random(6);
  for (const int64_t vocab : {97, 32128}) {
    std::vector<Case> cases(5);
    for (size_t row = 0; row < cases.size(); ++row) {
      Case& c = cases[row];
      c.logits = RandomLogits(vocab, 200 + row, 2.0f);
      c.history = {0, 1, 2, 1, 2};
      int32_t tokens = 0;
      while (tokens + 4 <= kMaxSequenceTokens) {
        std::vector<TokenId> list(1 + random() % 4);
        for (TokenId& token : list) token = static_cast<TokenId>(random() % (row < 3 ? 3 : vocab));
        tokens += static_cast<int32_t>(list.size());
        const float bias = static_cast<float>(random() % 1000) * 1e-3f - 0.5f;
        if (row % 2 == 0 || random() % 2 == 0) {
          c.params.sequence_bias.push_back({list, bias});
        } else if (list.size() > 1) {
          c.params.bad_words.push_back(list);
        }
      }
      c.params.top_logprobs = 5;
    }
    ExpectCpuChoices(cases);
  }
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
