// Beam search's choices on the GPU, step after step, against the CPU's.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/engine/runner/gpu_beams_fixture.h"

namespace transept {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int32_t kMaxSource = 30;

// Multiples of 1/16, so that a row has many equals, and rows hardly any in common.
std::vector<float> RandomLogits(int64_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = std::round(16.0f * normal(random)) / 16.0f;
  return logits;
}

// One row is shared by many thread blocks, many rows have few each.
TEST_F(GpuBeamsTest, PlainSearches) {
  for (const int64_t vocab : {7, 512, 50000, 58101, 256206, 262144}) {
    for (const int32_t beams : {2, 4, 16}) {
      std::vector<Search> searches;
      for (int i = 0; i < (vocab > 10000 ? 2 : 5); ++i) {
        searches.push_back(MakeSearch(beams, std::vector<TokenId>(1 + 3 * i, 0)));
        // So that there are 2, 3 or 4 candidates for each row.
        if (i % 3 > 0) searches.back().params.eos_tokens.push_back(3);
        if (i % 3 > 1 || beams == 16) searches.back().params.eos_tokens.push_back(5);
        searches.back().params.top_logprobs = i % 2 == 1 ? 5 : 0;
        if (i % 2 == 1) SharePast(&searches.back());
      }
      ExpectCpuSteps(searches, vocab, 4, [&](int step, int64_t row) {
        return RandomLogits(vocab, 100 * step + row + beams);
      });
    }
  }
}

// Greedy and sampling rows, searches and drawn ones of all widths in one batch, with every
// processor.
TEST_F(GpuBeamsTest, ProcessorsInMixedBatches) {
  std::mt19937 random(5);
  const auto below = [&](int32_t bound) { return static_cast<int32_t>(random() % bound); };
  for (const int64_t vocab : {40, 3000, 50000}) {
    for (int round = 0; round < 4; ++round) {
      std::vector<Search> searches;
      for (int i = 0; i < 8; ++i) {
        std::vector<TokenId> prompt(1 + below(i % 4 == 0 ? 500 : 9));
        for (TokenId& token : prompt) token = 2 + below(4);
        Search& search = searches.emplace_back(MakeSearch(1 + below(8), prompt));
        DecodeParams& params = search.params;
        params.renormalize_logits = below(2);
        if (below(2)) params.repetition_penalty = below(2) ? 1.7f : 0.6f;
        if (below(2)) params.no_repeat_ngram_size = 1 + below(3);
        if (below(2)) params.min_new_tokens = below(6);
        if (below(2)) params.suppress_tokens = {3, 7, 11};
        if (below(2)) params.begin_suppress_tokens = {4, 5};
        search.source.resize(1 + below(kMaxSource));
        for (TokenId& token : search.source) token = 2 + below(4);
        if (below(3) == 0) params.encoder_repetition_penalty = below(2) ? 1.7f : 0.6f;
        if (below(3) == 0) params.encoder_no_repeat_ngram_size = 1 + below(3);
        if (below(3) == 0) params.bad_words = {{6}, {3, 2}, {2, 4, 5}, {4, 1}};
        if (below(3) == 0) params.sequence_bias = {{{5}, 1.5f}, {{3, 5}, -2.0f}, {{2, 3}, 4.0f}};
        if (below(3) == 0) params.length_decay = {.start_index = below(3), .decay_factor = 1.25f};
        if (below(3) == 0) params.forced_bos_token = 6;
        if (below(3) == 0) params.forced_eos_token = 1;
        params.max_new_tokens = 4 + below(2);
        params.do_sample = i % 3 == 1;
        params.seed = 1000 * round + i;
        params.temperature = i % 2 == 0 ? 1.0f : 0.7f;
        params.top_k = i % 4 < 2 ? 0 : 50;
        if (i % 2 == 1) params.top_logprobs = 2 * i;
        if (params.beam_search() && prompt.size() > 1 && i % 2 == 0) SharePast(&search);
      }
      ExpectCpuSteps(searches, vocab, 4, [&](int step, int64_t row) {
        std::vector<float> logits = RandomLogits(vocab, 1000 * round + 100 * step + row);
        for (int token = 1; token < 7; ++token) logits[token] += 5.0f;
        return logits;
      });
    }
  }
}

// Nothing but ties, nothing that is possible, and less than the candidates that must be found.
TEST_F(GpuBeamsTest, HostileLogits) {
  for (const int64_t vocab : {40, 3000, 50000}) {
    std::vector<Search> searches;
    for (int i = 0; i < 8; ++i) {
      searches.push_back(MakeSearch(4, {0, 0}));
      searches.back().params.top_logprobs = 20;
    }
    ExpectCpuSteps(searches, vocab, 3, [&](int step, int64_t row) {
      std::vector<float> logits = RandomLogits(vocab, 100 * step + row);
      const int64_t search = row / 4;
      if (search == 0) logits.assign(vocab, 1.5f);
      if (search == 1) logits.assign(vocab, -kInfinity);
      if (search == 2) logits.assign(vocab, std::numeric_limits<float>::quiet_NaN());
      if (search == 3) {
        logits.assign(vocab, -kInfinity);
        logits[vocab - 1] = -3.0f;
        logits[vocab / 2] = -3.0f;
      }
      if (search == 4) logits[3] = std::numeric_limits<float>::quiet_NaN();
      if (search == 5 && row % 4 == 1) logits.assign(vocab, -kInfinity);
      if (search == 6) logits[1] += 100.0f;  // all rows end
      return logits;
    });
  }
}

// Banned tokens count in the sum of probabilities, but for what is normalised again; here they have
// nearly all of it.
TEST_F(GpuBeamsTest, BannedTokensAreTheLikeliest) {
  for (const int64_t vocab : {40, 3001, 58101}) {
    std::vector<Search> searches;
    for (int i = 0; i < 4; ++i) {
      DecodeParams& params = searches.emplace_back(MakeSearch(4, {0})).params;
      params.min_new_tokens = 2;
      if (i % 2 == 1) params.renormalize_logits = true;
      if (i >= 2) params.suppress_tokens = {9, 10, 11, 30};
      if (i >= 2) params.sequence_bias = {{{5}, 7.53f}};
    }
    ExpectCpuSteps(searches, vocab, 4, [&](int step, int64_t row) {
      std::vector<float> logits = RandomLogits(vocab, 100 * step + row);
      for (const int token : {1, 9, 10, 11}) logits[token] += 30.0f;
      return logits;
    });
  }
}

TEST_F(GpuBeamsTest, ForcedTokensCostNothing) {
  for (const int64_t vocab : {40, 58101}) {
    std::vector<Search> searches;
    for (int i = 0; i < 8; ++i) {
      DecodeParams& params = searches.emplace_back(MakeSearch(4, {0})).params;
      params.forced_bos_token = 6;
      params.forced_eos_token = 1;
      params.max_new_tokens = 3;
      if (i % 2 == 1) params.renormalize_logits = true;
      if (i % 4 >= 2) params.repetition_penalty = 1.5f;
      if (i >= 4) params.min_new_tokens = 3;
      if (i == 7) params.suppress_tokens = {6};
    }
    ExpectCpuSteps(searches, vocab, 3, [&](int step, int64_t row) {
      std::vector<float> logits = RandomLogits(vocab, 100 * step + row);
      if (row % 4 == 1) logits.assign(vocab, -kInfinity);
      return logits;
    });
  }
}

// Rows whose own score is so large that tokens of different scores come out equal.
TEST_F(GpuBeamsTest, ScoresThatRoundToTheSame) {
  for (const int64_t vocab : {40, 3001, 50000}) {
    std::vector<Search> searches;
    for (int i = 0; i < 4; ++i) {
      Search& search = searches.emplace_back(MakeSearch(4, {0}));
      for (Beam& beam : search.beams) beam.score = i < 2 ? -1e9f : -3e6f;
      if (i % 2 == 1) search.params.repetition_penalty = 1.5f;
    }
    ExpectCpuSteps(searches, vocab, 2,
                   [&](int step, int64_t row) { return RandomLogits(vocab, 100 * step + row); });
  }
}

// The best tokens of a part are all in a few of its threads, and too many to be left.
TEST_F(GpuBeamsTest, BestTokensInFewPlaces) {
  constexpr int64_t kVocab = 50000;
  constexpr int64_t kPart = 12512, kStep = 2048;  // of a row's four parts, and between vectors
  std::vector<Search> searches;
  for (int i = 0; i < 70; ++i) {
    searches.push_back(MakeSearch(4, {0}));
    searches.back().params.eos_tokens = {1, 2, 3};
  }
  ExpectCpuSteps(searches, kVocab, 2, [&](int step, int64_t row) {
    std::vector<float> logits = RandomLogits(kVocab, 100 * step + row % 7);
    for (int64_t token = 0; token < kVocab; ++token) {
      if (token % kPart % kStep < 64) logits[token] += 40.0f;
    }
    return logits;
  });
}

}  // namespace
}  // namespace transept
