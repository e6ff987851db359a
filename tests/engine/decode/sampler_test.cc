#include "engine/decode/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/philox.h"
#include "tests/engine/decode/golden_cases.h"

namespace transept {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> RandomScores(size_t size, uint32_t seed, float deviation = 2.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> scores(size);
  for (float& score : scores) score = normal(engine);
  return scores;
}

DecodeParams SamplingParams(uint64_t seed = 0) {
  DecodeParams params;
  params.do_sample = true;
  params.seed = seed;
  return params;
}

GeneratedToken Choose(const DecodeParams& params, std::vector<float> logits, int32_t length = 1,
                      int32_t hypothesis = 0) {
  const std::vector<TokenId> history(length, 0);
  return ChooseToken(params, {.history = history, .prompt_length = 1, .hypothesis = hypothesis},
                     absl::MakeSpan(logits));
}

// Log softmax in double precision, one score at a time.
double LogProb(const std::vector<float>& scores, size_t token) {
  const float max = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (float score : scores) sum += std::exp(static_cast<double>(score) - max);
  return static_cast<double>(scores[token]) - max - std::log(sum);
}

TEST(GreedyTest, AgreesWithTransformers) {
  for (const GoldenCase& golden : LoadGoldenCases()) {
    SCOPED_TRACE(golden.description);
    std::vector<float> logits = golden.scores;
    const GeneratedToken chosen =
        ChooseToken(golden.params, golden.context(), absl::MakeSpan(logits));
    EXPECT_EQ(chosen.token, golden.greedy);
    if (golden.processed[golden.greedy] > -kInfinity) {
      EXPECT_NEAR(chosen.logprob, LogProb(golden.processed, golden.greedy), 1e-5);
    }
  }
}

// Sizes around those that the vector passes work in.
TEST(GreedyTest, AnyVocabularySize) {
  for (size_t size : {1, 2, 3, 7, 8, 9, 15, 17, 31, 100, 2047, 2048, 2049, 5000, 32128, 250112}) {
    const std::vector<float> scores = RandomScores(size, size, 5.0f);
    const size_t best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    const GeneratedToken chosen = Choose({}, scores);
    EXPECT_EQ(chosen.token, static_cast<TokenId>(best)) << size;
    EXPECT_NEAR(chosen.logprob, LogProb(scores, best), 1e-4) << size;
  }
}

TEST(GreedyTest, TheLowestIdAmongEqualsWins) {
  EXPECT_EQ(Choose({}, {0, 3, 1, 3, 3}).token, 1);
  std::vector<float> scores(6000, 0.0f);
  scores[2500] = scores[2499] = scores[5000] = 4.0f;
  EXPECT_EQ(Choose({}, scores).token, 2499);
}

TEST(GreedyTest, HugeScoresDoNotOverflow) {
  const GeneratedToken chosen = Choose({}, {-3e38f, 3e38f, 1e38f});
  EXPECT_EQ(chosen.token, 1);
  EXPECT_FLOAT_EQ(chosen.logprob, 0.0f);
}

TEST(HostileLogitsTest, NanCountsAsImpossible) {
  for (size_t size : {4, 64, 3000}) {
    std::vector<float> scores(size, kNan);
    scores[2] = -1.0f;
    scores[3] = -2.0f;
    for (bool do_sample : {false, true}) {
      DecodeParams params = SamplingParams();
      params.do_sample = do_sample;
      params.top_logprobs = 5;
      params.temperature = 1e-3f;
      const GeneratedToken chosen = Choose(params, scores);
      EXPECT_EQ(chosen.token, 2);
      EXPECT_NEAR(chosen.logprob, -std::log1p(std::exp(-1.0)), 1e-5);
      ASSERT_EQ(chosen.top.size(), 2u);
      EXPECT_EQ(chosen.top[1].token, 3);
    }
  }
}

TEST(HostileLogitsTest, NothingPossibleGivesTokenZero) {
  for (float impossible : {-kInfinity, kNan}) {
    for (bool do_sample : {false, true}) {
      DecodeParams params = SamplingParams();
      params.do_sample = do_sample;
      params.top_k = 2;
      params.top_p = 0.5f;
      params.top_logprobs = 2;
      const GeneratedToken chosen = Choose(params, std::vector<float>(100, impossible));
      EXPECT_EQ(chosen.token, 0);
      EXPECT_EQ(chosen.logprob, -kInfinity);
      EXPECT_TRUE(chosen.top.empty());
    }
  }
}

TEST(HostileLogitsTest, InfinityIsCertain) {
  for (bool do_sample : {false, true}) {
    DecodeParams params = SamplingParams();
    params.do_sample = do_sample;
    const GeneratedToken chosen = Choose(params, {1.0f, kInfinity, kNan, kInfinity});
    EXPECT_EQ(chosen.token, 1);
    EXPECT_EQ(chosen.logprob, 0.0f);
  }
}

// What transformers' warpers leave, and with which probabilities, decides every draw: the token is
// where the cumulative probability passes the row's uniform number.
TEST(SamplingTest, DrawsFromTransformersDistribution) {
  int cases = 0;
  for (const GoldenCase& golden : LoadGoldenCases()) {
    if (golden.probabilities.empty()) continue;
    SCOPED_TRACE(golden.description);
    ++cases;
    DecodeParams params = golden.params;
    params.do_sample = true;
    for (params.seed = 0; params.seed < 300; ++params.seed) {
      const double uniform = kernels::SamplingUniform(params.seed, 0, golden.history.size());
      TokenId expected = -1;
      double sum = 0.0;
      double margin = 1.0;  // between the draw and the nearest boundary
      for (const auto& [token, probability] : golden.probabilities) {
        if (expected < 0 && sum + probability > uniform) expected = token;
        sum += probability;
        margin = std::min(margin, std::abs(sum - uniform));
      }
      std::vector<float> logits = golden.scores;
      const TokenId token = ChooseToken(params, golden.context(), absl::MakeSpan(logits)).token;
      if (margin > 2e-5) {
        EXPECT_EQ(token, expected) << "seed " << params.seed;
      }
    }
  }
  EXPECT_GE(cases, 10);
}

// Chi-square of 20,000 draws over 40 classes: 39 degrees of freedom, of which 99.99 % lie below 82.
TEST(SamplingTest, FrequenciesFollowTheProbabilities) {
  constexpr int kDraws = 20000;
  const std::vector<float> scores = RandomScores(40, 7, 1.0f);
  for (int32_t top_k : {0, 40}) {  // 40 leaves all
    for (const char* varied : {"seed", "position", "hypothesis"}) {
      std::vector<int> counts(scores.size());
      DecodeParams params = SamplingParams(17);
      params.top_k = top_k;
      for (int i = 0; i < kDraws; ++i) {
        if (varied[0] == 's') params.seed = i;
        const int32_t length = varied[0] == 'p' ? 1 + i % 200 : 1;
        if (varied[0] == 'p') params.seed = i / 200;
        const int32_t hypothesis = varied[0] == 'h' ? i : 0;
        ++counts[Choose(params, scores, length, hypothesis).token];
      }
      double chi_square = 0.0;
      for (size_t token = 0; token < scores.size(); ++token) {
        const double expected = kDraws * std::exp(LogProb(scores, token));
        chi_square += (counts[token] - expected) * (counts[token] - expected) / expected;
      }
      EXPECT_LT(chi_square, 82.0) << varied << " top_k " << top_k;
      EXPECT_GT(chi_square, 12.0) << varied << " top_k " << top_k;  // too even is wrong as well
    }
  }
}

TEST(SamplingTest, LargeVocabularyUnfiltered) {
  // Half of the probability in one token of the last chunk, the rest spread evenly.
  std::vector<float> scores(32128, 0.0f);
  scores.back() = std::log(32127.0f);
  int hits = 0;
  double spread = 0.0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const TokenId token = Choose(SamplingParams(seed), scores).token;
    if (token == 32127) {
      ++hits;
    } else {
      spread += token;
    }
  }
  EXPECT_NEAR(hits, 1000, 5 * std::sqrt(500.0));
  EXPECT_NEAR(spread / (2000 - hits), 16063, 5 * 32128 / std::sqrt(12.0 * 1000));
}

TEST(SamplingTest, SameArgumentsSameToken) {
  const std::vector<float> scores = RandomScores(5000, 3);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    DecodeParams params = SamplingParams(seed);
    params.top_k = seed % 2 ? 50 : 0;
    params.top_p = seed % 3 ? 0.9f : 1.0f;
    const GeneratedToken first = Choose(params, scores, 5, 2);
    const GeneratedToken second = Choose(params, scores, 5, 2);
    EXPECT_EQ(first.token, second.token);
    EXPECT_EQ(first.logprob, second.logprob);
  }
}

TEST(SamplingTest, LogprobIsThatBeforeTheWarpers) {
  const std::vector<float> scores = RandomScores(300, 4);
  DecodeParams params = SamplingParams(5);
  params.temperature = 0.5f;
  params.top_k = 10;
  const GeneratedToken chosen = Choose(params, scores);
  EXPECT_NEAR(chosen.logprob, LogProb(scores, chosen.token), 1e-5);
}

TEST(SamplingTest, ExtremeSettings) {
  const std::vector<float> scores = {1.0f, 2.0f, -kInfinity, 1.5f};
  DecodeParams params = SamplingParams();
  for (params.seed = 0; params.seed < 20; ++params.seed) {
    params.temperature = std::numeric_limits<float>::denorm_min();
    EXPECT_EQ(Choose(params, scores).token, 1);
    params.temperature = std::numeric_limits<float>::max();
    EXPECT_NE(Choose(params, scores).token, 2);
    params.top_p = std::numeric_limits<float>::denorm_min();
    EXPECT_EQ(Choose(params, scores).token, 0);  // all equal: the lowest id
    params.temperature = 1.0f;
    EXPECT_EQ(Choose(params, scores).token, 1);
    params.top_p = 1.0f;
    params.min_p = 1.0f;
    EXPECT_EQ(Choose(params, scores).token, 1);
    params.min_p = 0.0f;
    params.top_k = std::numeric_limits<int32_t>::max();
    EXPECT_NE(Choose(params, scores).token, 2);
    params.top_k = 0;
  }
}

TEST(TopLogprobsTest, BestFirstAndNormalised) {
  const std::vector<float> scores = RandomScores(4000, 11);
  DecodeParams params;
  params.top_logprobs = 5;
  const GeneratedToken chosen = Choose(params, scores);
  std::vector<TokenId> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<TokenId>(i);
  std::sort(order.begin(), order.end(),
            [&](TokenId a, TokenId b) { return scores[a] > scores[b]; });
  ASSERT_EQ(chosen.top.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(chosen.top[i].token, order[i]);
    EXPECT_NEAR(chosen.top[i].logprob, LogProb(scores, order[i]), 1e-5);
  }
  EXPECT_EQ(chosen.top[0].logprob, chosen.logprob);
}

TEST(TopLogprobsTest, EqualsByIdAndBannedLeftOut) {
  DecodeParams params;
  params.top_logprobs = 3;
  params.suppress_tokens = {0, 4};
  const GeneratedToken chosen = Choose(params, {9, 1, 1, 1, 1, 1});
  ASSERT_EQ(chosen.top.size(), 3u);
  EXPECT_EQ(chosen.top[0].token, 1);
  EXPECT_EQ(chosen.top[1].token, 2);
  EXPECT_EQ(chosen.top[2].token, 3);
  params.top_logprobs = 20;
  EXPECT_EQ(Choose(params, {9, 1, 1, 1, 1, 1}).top.size(), 4u);
}

TEST(ChooseTokenTest, WhereNothingIsLeftItIsTheFirstAndImpossible) {
  DecodeParams params;
  params.top_logprobs = 3;
  params.suppress_tokens = {0, 1, 2, 3};
  for (const bool sample : {false, true}) {
    params.do_sample = sample;
    const GeneratedToken chosen = Choose(params, {1, 4, 3, 2});
    EXPECT_EQ(chosen.token, 0);
    EXPECT_EQ(chosen.logprob, -std::numeric_limits<float>::infinity());
    EXPECT_TRUE(chosen.top.empty());
  }
}

}  // namespace
}  // namespace transept
