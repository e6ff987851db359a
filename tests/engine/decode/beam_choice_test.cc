#include "engine/decode/beam_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace transept {
namespace {

using ::testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Beams whose history is the decoder start alone.
class BeamChoice : public ::testing::Test {
 protected:
  BeamChoice() {
    params_.num_beams = 2;
    params_.max_new_tokens = 10;
    params_.eos_tokens = {1};
  }

  std::vector<BeamCandidate> Choose(std::vector<std::vector<float>> logits,
                                    const std::vector<float>& scores) {
    std::vector<std::vector<RankedCandidate>> continuations;
    for (size_t beam = 0; beam < logits.size(); ++beam) {
      const DecodeContext context{
          .history = history_, .prompt_length = 1, .hypothesis = static_cast<int32_t>(beam)};
      continuations.push_back(
          BestContinuations(params_, context, scores[beam], absl::MakeSpan(logits[beam])));
    }
    return ChooseCandidates(params_, continuations);
  }

  static std::vector<std::pair<int32_t, TokenId>> Places(
      const std::vector<BeamCandidate>& candidates) {
    std::vector<std::pair<int32_t, TokenId>> places;
    for (const BeamCandidate& candidate : candidates) {
      places.emplace_back(candidate.hypothesis, candidate.token);
    }
    return places;
  }

  DecodeParams params_;
  std::vector<TokenId> history_ = {0};
};

TEST_F(BeamChoice, TakesTheBestOfAllContinuations) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const size_t vocab : {5, 31, 1000, 40000}) {
    for (const int32_t beams : {2, 5, 16}) {
      params_.num_beams = beams;
      if (static_cast<size_t>(2 * beams) > vocab * beams) continue;
      std::vector<std::vector<float>> logits(beams, std::vector<float>(vocab));
      std::vector<float> scores;
      std::vector<BeamCandidate> all;
      for (int32_t beam = 0; beam < beams; ++beam) {
        scores.push_back(-5.0f - normal(random));
        double sum = 0;
        for (float& logit : logits[beam]) sum += std::exp(logit = 3 * normal(random));
        for (size_t token = 0; token < vocab; ++token) {
          all.push_back({beam, static_cast<TokenId>(token),
                         static_cast<float>(logits[beam][token] - std::log(sum)) + scores[beam]});
        }
      }
      std::sort(all.begin(), all.end(),
                [](const auto& a, const auto& b) { return a.score > b.score; });
      const std::vector<BeamCandidate> chosen = Choose(logits, scores);
      ASSERT_EQ(chosen.size(), static_cast<size_t>(2 * beams));
      for (size_t i = 0; i < chosen.size(); ++i) {
        EXPECT_NEAR(chosen[i].score, all[i].score, 1e-4);
        const auto same = std::find_if(all.begin(), all.end(), [&](const BeamCandidate& c) {
          return c.hypothesis == chosen[i].hypothesis && c.token == chosen[i].token;
        });
        EXPECT_NEAR(chosen[i].score, same->score, 1e-5);
      }
    }
  }
}

TEST_F(BeamChoice, AmongEqualsTheLowestBeamAndToken) {
  const std::vector<float> flat(6, 2.0f);
  EXPECT_THAT(Places(Choose({flat, flat}, {-1, -1})),
              ElementsAre(std::pair(0, 0), std::pair(0, 1), std::pair(0, 2), std::pair(0, 3)));
  EXPECT_THAT(Places(Choose({flat, flat}, {-1, -0.5})),
              ElementsAre(std::pair(1, 0), std::pair(1, 1), std::pair(1, 2), std::pair(1, 3)));
}

TEST_F(BeamChoice, WhatIsBannedComesLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto chosen = Choose({{nan, 3, -kInfinity, 3}, std::vector<float>(4, nan)}, {0, -1});
  EXPECT_THAT(Places(chosen),
              ElementsAre(std::pair(0, 1), std::pair(0, 3), std::pair(0, 0), std::pair(0, 2)));
  EXPECT_NEAR(chosen[1].score, std::log(0.5), 1e-6);
  EXPECT_EQ(chosen[2].score, -kInfinity);
}

TEST_F(BeamChoice, AlternativesAreWhatTokensWouldAdd) {
  params_.num_beams = 4;  // more candidates than alternatives
  params_.top_logprobs = 3;
  params_.suppress_tokens = {2};
  const std::vector<float> given = {1, 3, 9, 2, 3, 0};
  double sum = 0;
  for (const float logit : given) sum += std::exp(logit);
  for (const bool sample : {false, true}) {
    params_.do_sample = sample;
    params_.temperature = sample ? 2.0f : 1.0f;
    std::vector<float> logits = given;
    std::vector<TokenLogprob> top;
    BestContinuations(params_, {.history = history_, .prompt_length = 1}, -7.0f,
                      absl::MakeSpan(logits), &top);
    ASSERT_EQ(top.size(), 3u);
    const TokenId expected[] = {1, 4, 3};
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(top[i].token, expected[i]);
      EXPECT_NEAR(top[i].logprob, (given[expected[i]] - std::log(sum)) / params_.temperature, 1e-5);
    }
  }
  params_.top_k = 2;  // what a filter takes is no alternative
  std::vector<float> logits = given;
  std::vector<TokenLogprob> top;
  BestContinuations(params_, {.history = history_, .prompt_length = 1}, 0, absl::MakeSpan(logits),
                    &top);
  EXPECT_EQ(top.size(), 2u);
}

TEST_F(BeamChoice, ProcessorsSeeLogProbabilities) {
  params_.num_beams = 1;  // of which there are two candidates
  params_.repetition_penalty = 2.0f;
  history_ = {2};
  const std::vector<float> logits = {0, 0, 5, 0};  // positive, yet a log-probability is not
  const double sum = 3 + std::exp(5.0);
  const double repeated = 2 * (5 - std::log(sum));
  auto chosen = Choose({logits}, {-1});
  EXPECT_EQ(chosen[0].token, 2);
  EXPECT_NEAR(chosen[0].score, repeated - 1, 1e-6);

  params_.renormalize_logits = true;
  chosen = Choose({logits}, {-1});
  EXPECT_NEAR(chosen[0].score, repeated - std::log(std::exp(repeated) + 3 / sum) - 1, 1e-6);
}

TEST_F(BeamChoice, TheNextRowsAreTheBestThatGoOn) {
  EXPECT_THAT(NextBeams(params_, {{{0, 1, -1}, {0, 5, -2}, {1, 1, -3}, {1, 6, -4}}}),
              ElementsAre(1, 3));
  // Drawn candidates come in any order.
  EXPECT_THAT(NextBeams(params_, {{{0, 5, -4}, {0, 1, -1}, {1, 6, -3}, {1, 7, -2}}}),
              ElementsAre(3, 2));
  EXPECT_THAT(NextBeams(params_, {{{0, 1, -1}, {1, 1, -2}, {0, 5, -3}}}), ElementsAre(2));
}

// The tokens that can be drawn at all.
class DrawnBeams : public BeamChoice {
 protected:
  DrawnBeams() { params_.do_sample = true; }

  // The scores above -infinity of what one beam of score 0 may be continued with.
  std::map<TokenId, float> Left(std::vector<float> logits) {
    params_.num_beams = 4;
    std::map<TokenId, float> left;
    for (const RankedCandidate& ranked : BestContinuations(
             params_, {.history = history_, .prompt_length = 1}, 0, absl::MakeSpan(logits))) {
      if (ranked.candidate.score > -kInfinity) {
        left[ranked.candidate.token] = ranked.candidate.score;
      }
    }
    return left;
  }
  std::vector<TokenId> LeftTokens(const std::vector<float>& logits) {
    std::vector<TokenId> tokens;
    for (const auto& [token, score] : Left(logits)) tokens.push_back(token);
    return tokens;
  }
};

TEST_F(DrawnBeams, FiltersLeaveOneTokenMoreThanCanEnd) {
  const std::vector<float> logits = {0, 4, 3, 2, 1};
  params_.top_k = 1;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 2));
  params_.eos_tokens = {1, 2};
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 2, 3));
  params_.top_k = 0;
  params_.top_p = 0.01f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 2, 3));
  params_.top_p = 1.0f;
  params_.min_p = 1.0f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 2, 3));
  params_.min_p = std::exp(-3.5f);
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 2, 3, 4));
}

// At this temperature all but the likeliest token have probabilities that round to 0.
TEST_F(DrawnBeams, FiltersTellUnlikelyTokensApart) {
  const std::vector<float> logits = {0, 9, 1, 3, 2};
  params_.temperature = 0.01f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(0, 1, 2, 3, 4));  // no filter takes any
  params_.top_p = 0.9f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 3));
  params_.top_p = 1.0f;
  params_.min_p = 0.1f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 3));
  params_.min_p = 0.0f;
  params_.typical_p = 0.9f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 3));
  params_.typical_p = 1.0f;
  params_.epsilon_cutoff = 0.1f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 3));
  params_.epsilon_cutoff = 0.0f;
  params_.eta_cutoff = 0.1f;
  EXPECT_THAT(LeftTokens(logits), ElementsAre(1, 3));
}

TEST_F(DrawnBeams, ScoresCarryTheTemperature) {
  params_.temperature = 2.0f;
  EXPECT_NEAR(Left({0, 0, 0, 0})[2], -std::log(4.0) / 2, 1e-6);
  params_.renormalize_logits = true;
  EXPECT_NEAR(Left({0, 0, 0, 0})[2], -std::log(4.0), 1e-6);
}

// Pairs of what is drawn first and second, over many seeds, against the probabilities of drawing
// them one after the other.
TEST_F(DrawnBeams, AreADrawWithoutReplacement) {
  const std::vector<std::vector<float>> logits = {{0.5f, 0, 1, -1, 0}, {1, -0.5f, 0, 0, 0.3f}};
  const std::vector<float> scores = {-1.0f, -1.4f};
  std::vector<double> probability;
  for (size_t beam = 0; beam < 2; ++beam) {
    double sum = 0;
    for (const float logit : logits[beam]) sum += std::exp(logit);
    for (const float logit : logits[beam]) {
      probability.push_back(std::exp(logit + scores[beam]) / sum);
    }
  }
  double total = 0;
  for (const double p : probability) total += p;
  for (double& p : probability) p /= total;

  constexpr int kDraws = 40000;
  std::map<std::pair<size_t, size_t>, int> counts;
  for (int draw = 0; draw < kDraws; ++draw) {
    params_.seed = 1000003u * static_cast<uint64_t>(draw);
    const auto chosen = Choose(logits, scores);
    const auto flat = [&](int i) -> size_t { return chosen[i].hypothesis * 5 + chosen[i].token; };
    ++counts[{flat(0), flat(1)}];
    EXPECT_NE(flat(2), flat(3));
  }
  for (size_t first = 0; first < 10; ++first) {
    for (size_t second = 0; second < 10; ++second) {
      const double p =
          first == second ? 0 : probability[first] * probability[second] / (1 - probability[first]);
      const double deviation = std::sqrt(kDraws * p * (1 - p));
      EXPECT_NEAR((counts[{first, second}]), kDraws * p, 4.5 * deviation) << first << " " << second;
    }
  }
}

TEST_F(DrawnBeams, DependOnSeedBeamAndPosition) {
  const std::vector<float> flat(50, 0.0f);
  params_.num_beams = 5;
  const std::vector<std::vector<float>> logits(5, flat);
  const std::vector<float> scores(5, 0.0f);
  const auto places = Places(Choose(logits, scores));
  EXPECT_EQ(places, Places(Choose(logits, scores)));
  params_.seed = 1;
  EXPECT_NE(places, Places(Choose(logits, scores)));
  params_.seed = 0;
  history_ = {0, 3};
  EXPECT_NE(places, Places(Choose(logits, scores)));
}

}  // namespace
}  // namespace transept
