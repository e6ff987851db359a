// BeamSearch fed with the candidates of transformers' own searches (tools/goldens/beams.py).
#include "engine/decode/beam_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/letter_tokenizer.h"

namespace transept {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

DecodeParams ParamsOf(const json& golden) {
  const json& options = golden["options"];
  const json& early_stopping = options["early_stopping"];
  DecodeParams params;
  params.eos_tokens = {golden["eos"].get<TokenId>()};
  params.num_beams = options["num_beams"];
  params.num_sequences = options["num_return_sequences"];
  params.max_new_tokens = options["max_new_tokens"];
  params.length_penalty = options["length_penalty"];
  params.early_stopping = early_stopping == "never" ? EarlyStopping::kNever
                          : early_stopping == true  ? EarlyStopping::kTrue
                                                    : EarlyStopping::kFalse;
  return params;
}

std::vector<BeamCandidate> CandidatesOf(const json& step) {
  std::vector<BeamCandidate> candidates;
  for (size_t i = 0; i < step["tokens"].size(); ++i) {
    candidates.push_back({step["beams"][i], step["tokens"][i], step["scores"][i]});
  }
  return candidates;
}

std::vector<TokenId> Ids(const std::vector<GeneratedToken>& tokens) {
  std::vector<TokenId> ids;
  for (const GeneratedToken& token : tokens) ids.push_back(token.token);
  return ids;
}

TEST(BeamSearchTest, EndsWhenAndAsTransformersDoes) {
  std::ifstream file("tests/data/goldens/beam_steps.json");
  const json goldens = json::parse(file);
  ASSERT_GE(goldens["searches"].size(), 40u);
  size_t streamed = 0;
  for (const json& golden : goldens["searches"]) {
    SCOPED_TRACE(golden["options"].dump());
    const DecodeParams params = ParamsOf(golden);
    BeamSearch search(&params, nullptr);
    std::vector<TokenId> settled;
    for (const json& step : golden["steps"]) {
      ASSERT_FALSE(search.finished());
      search.Advance(CandidatesOf(step));
      if (search.finished()) break;
      ASSERT_EQ(search.beams().size(), static_cast<size_t>(params.num_beams));
      for (const GeneratedToken& token : search.TakeSettled()) settled.push_back(token.token);
      EXPECT_THAT(search.TakeSettled(), IsEmpty());
    }
    ASSERT_TRUE(search.finished());
    ASSERT_EQ(search.length(), static_cast<int32_t>(golden["steps"].size()));
    const std::vector<Hypothesis> hypotheses = search.Hypotheses();
    ASSERT_EQ(hypotheses.size(), golden["outputs"].size());
    for (size_t i = 0; i < hypotheses.size(); ++i) {
      const json& expected = golden["outputs"][i];
      const std::vector<TokenId> tokens = Ids(hypotheses[i].tokens);
      EXPECT_EQ(tokens, expected["tokens"].get<std::vector<TokenId>>());
      EXPECT_EQ(hypotheses[i].finish_reason == FinishReason::kEos, expected["finish"] == "eos");
      EXPECT_NEAR(hypotheses[i].score / expected["score"].get<float>(), 1, 1e-6);
      ASSERT_LE(settled.size(), tokens.size());
      EXPECT_TRUE(std::equal(settled.begin(), settled.end(), tokens.begin()));
    }
    streamed += settled.size();
  }
  EXPECT_GT(streamed, goldens["searches"].size());
}

class TwoBeams : public ::testing::Test {
 protected:
  TwoBeams() {
    params_.num_beams = 2;
    params_.max_new_tokens = 10;
    params_.eos_tokens = {1};
    params_.early_stopping = EarlyStopping::kTrue;
  }
  DecodeParams params_;
};

TEST_F(TwoBeams, SettlesWhatAllThatMayBeAnOutputShare) {
  BeamSearch search(&params_, nullptr);
  EXPECT_EQ(search.beams()[0].score, 0.0f);
  EXPECT_LT(search.beams()[1].score, -1e8f);
  search.Advance({{{0, 5, -1}, {0, 6, -2}, {0, 7, -3}, {0, 8, -4}}});
  EXPECT_THAT(search.TakeSettled(), IsEmpty());
  // Both beams go on from the second of the first step.
  search.Advance({{{1, 5, -2.5}, {1, 6, -3}, {0, 7, -4}, {0, 8, -5}}});
  EXPECT_THAT(Ids(search.TakeSettled()), ElementsAre(6));
  // One ends; both go on from the other.
  search.Advance({{{0, 1, -3}, {1, 9, -4}, {1, 8, -5}, {0, 8, -6}}});
  EXPECT_THAT(search.TakeSettled(), IsEmpty());
  ASSERT_FALSE(search.finished());
  EXPECT_EQ(search.beams()[0].parent, 1);
  EXPECT_EQ(search.beams()[1].parent, 1);
  search.Advance({{{0, 1, -4.5}, {1, 9, -6}, {1, 8, -7}, {0, 8, -8}}});
  ASSERT_TRUE(search.finished());
  params_.num_sequences = 2;
  const std::vector<Hypothesis> hypotheses = search.Hypotheses();
  EXPECT_THAT(Ids(hypotheses[0].tokens), ElementsAre(6, 5));
  EXPECT_FLOAT_EQ(hypotheses[0].score, -1.0f);
  EXPECT_FLOAT_EQ(hypotheses[0].tokens[1].logprob, -0.5f);
  EXPECT_FLOAT_EQ(hypotheses[0].eos->logprob, -0.5f);
  EXPECT_THAT(Ids(hypotheses[1].tokens), ElementsAre(6, 6, 9));
  EXPECT_FLOAT_EQ(hypotheses[1].score, -4.5f / 4);
}

TEST_F(TwoBeams, OnlyCandidatesInFrontAreKept) {
  BeamSearch search(&params_, nullptr);
  search.Advance({{{0, 5, -1}, {0, 6, -2}, {0, 1, -3}, {0, 8, -4}}});
  search.Advance({{{0, 5, -2}, {1, 6, -3}, {0, 1, -4}, {1, 1, -5}}});
  EXPECT_FALSE(search.finished());
  search.Advance({{{0, 1, -3}, {1, 1, -4}, {0, 6, -5}, {1, 6, -6}}});
  EXPECT_TRUE(search.finished());
}

// Each token has those of the beam that it continued, whichever row has that by now.
TEST_F(TwoBeams, AlternativesFollowTheTokens) {
  params_.top_logprobs = 1;
  params_.num_sequences = 2;
  BeamSearch search(&params_, nullptr);
  int32_t step = 0;
  const auto advance = [&](const std::vector<BeamCandidate>& candidates) {
    std::vector<GeneratedToken> rows(2);
    for (int32_t row = 0; row < 2; ++row) rows[row].top = {{100 * step + row, -0.5f}};
    ++step;
    search.Advance(candidates, rows);
  };
  const auto tops = [](const std::vector<GeneratedToken>& tokens) {
    std::vector<TokenId> ids;
    for (const GeneratedToken& token : tokens) ids.push_back(token.top.at(0).token);
    return ids;
  };
  advance({{0, 5, -1}, {0, 6, -2}, {0, 7, -3}, {0, 8, -4}});
  advance({{1, 5, -2.5}, {0, 6, -3}, {1, 7, -4}, {0, 8, -5}});
  advance({{0, 7, -3}, {0, 8, -4}, {1, 7, -5}, {1, 8, -6}});
  EXPECT_EQ(tops(search.TakeSettled()), (std::vector<TokenId>{0, 101}));
  advance({{1, 1, -4.5}, {0, 9, -6}, {1, 8, -7}, {0, 8, -8}});
  advance({{1, 1, -7.5}, {0, 1, -8}, {0, 8, -9}, {0, 9, -10}});
  ASSERT_TRUE(search.finished());
  const std::vector<Hypothesis> hypotheses = search.Hypotheses();
  EXPECT_EQ(tops(hypotheses[0].tokens), (std::vector<TokenId>{0, 101, 200}));
  EXPECT_EQ(hypotheses[0].eos->top.at(0).token, 301);
  EXPECT_EQ(tops(hypotheses[1].tokens), (std::vector<TokenId>{0, 101, 200, 301}));
  EXPECT_EQ(hypotheses[1].eos->top.at(0).token, 401);
}

// transformers gives beams of an early step there, by a choice among equal scores.
TEST_F(TwoBeams, WhereNothingGoesOnTheOutputIsWhatWasSettled) {
  BeamSearch search(&params_, nullptr);
  search.Advance({{{0, 5, -1}, {0, 6, -2}, {0, 7, -3}, {0, 8, -4}}});
  search.Advance({{{1, 5, -2.5}, {1, 6, -3}, {0, 7, -4}, {0, 8, -5}}});
  ASSERT_THAT(Ids(search.TakeSettled()), ElementsAre(6));
  search.Advance({});
  ASSERT_TRUE(search.finished());
  const std::vector<Hypothesis> hypotheses = search.Hypotheses();
  EXPECT_THAT(Ids(hypotheses[0].tokens), ElementsAre(6));
  EXPECT_EQ(hypotheses[0].score, -1e9f);
}

TEST_F(TwoBeams, WhatHasEndedIsAnOutputHoweverLowItsScore) {
  params_.max_new_tokens = 2;
  params_.length_penalty = -40;
  BeamSearch search(&params_, nullptr);
  search.Advance({{{0, 5, -1}, {0, 6, -2}, {0, 7, -3}, {0, 8, -4}}});
  search.Advance({{{1, 5, -2.5}, {1, 6, -3}, {0, 7, -4}, {0, 8, -5}}});
  ASSERT_TRUE(search.finished());
  const std::vector<Hypothesis> hypotheses = search.Hypotheses();
  EXPECT_THAT(Ids(hypotheses[0].tokens), ElementsAre(6, 5));
  EXPECT_LT(hypotheses[0].score, -1e9f);
}

class StoppedBeams : public TwoBeams {
 protected:
  StoppedBeams() {
    params_.num_sequences = 2;
    params_.stop_sequences = {"bc"};
  }
  const LetterTokenizer tokenizer_;
};

TEST_F(StoppedBeams, AStopSequenceEndsWhatHasIt) {
  BeamSearch search(&params_, &tokenizer_);
  search.Advance({{{0, 11, -1}, {0, 12, -2}, {0, 13, -3}, {0, 14, -4}}});
  EXPECT_TRUE(search.follows_device());
  // "bc" ends; "cc" and "bd" go on, where the device goes on with "bc" and "cc".
  search.Advance({{{0, 12, -2}, {1, 12, -3}, {0, 13, -4}, {1, 13, -5}}});
  ASSERT_FALSE(search.finished());
  EXPECT_FALSE(search.follows_device());
  EXPECT_EQ(search.beams()[0].parent, 1);
  EXPECT_EQ(search.beams()[1].parent, 0);
  EXPECT_EQ(search.beams()[1].score, -4);
  // Ranked too low to be kept, and to be missed.
  search.Advance({{{0, 11, -4}, {1, 11, -5}, {0, 12, -6}, {1, 12, -7}}});
  EXPECT_TRUE(search.follows_device());
  search.Advance({{{1, 12, -6}, {0, 13, -7}, {0, 14, -8}, {1, 14, -9}}});
  ASSERT_TRUE(search.finished());
  const std::vector<Hypothesis> hypotheses = search.Hypotheses();
  EXPECT_THAT(Ids(hypotheses[0].tokens), ElementsAre(11, 12));
  EXPECT_FLOAT_EQ(hypotheses[0].score, -1.0f);
  EXPECT_EQ(hypotheses[0].finish_reason, FinishReason::kStopSequence);
  EXPECT_FALSE(hypotheses[0].eos.has_value());
  EXPECT_THAT(Ids(hypotheses[1].tokens), ElementsAre(11, 13, 11, 12));
  EXPECT_FLOAT_EQ(hypotheses[1].score, -1.5f);
}

TEST_F(StoppedBeams, WhatHasEndedFillsUp) {
  params_.stop_sequences = {"b", "c", "d"};
  params_.early_stopping = EarlyStopping::kNever;
  BeamSearch search(&params_, &tokenizer_);
  search.Advance({{{0, 11, -1}, {0, 14, -2}, {0, 12, -3}, {0, 13, -4}}});
  ASSERT_FALSE(search.finished());
  EXPECT_EQ(search.beams()[0].token, 14);
  EXPECT_EQ(search.beams()[1].token, 11);
  EXPECT_LE(search.beams()[1].score, -1e9f);
  EXPECT_FALSE(search.follows_device());
  // Nothing that follows it counts.
  search.Advance({{{0, 15, -3}, {0, 11, -3.5}, {0, 16, -4}, {1, 14, -1e9}}});
  ASSERT_FALSE(search.finished());
  search.Advance({{{0, 11, -4}, {0, 12, -5}, {1, 11, -6}, {1, 12, -7}}});
  EXPECT_TRUE(search.finished()) << "nothing is left but what ends";
}

TEST_F(TwoBeams, EndsWhenNoBeamsAreLeft) {
  BeamSearch search(&params_, nullptr);
  search.Advance({{{0, 1, -1}, {0, 6, -2}}});
  EXPECT_TRUE(search.finished());
  EXPECT_THAT(search.Hypotheses()[0].tokens, IsEmpty());
}

}  // namespace
}  // namespace transept
