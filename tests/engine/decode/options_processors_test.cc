// The options of single processors and filters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/engine/decode/options_fixture.h"

namespace transept {
namespace {

using ::testing::ElementsAre;

TEST_F(ResolveOptionsTest, BadWordsNeverComeButTheEndMay) {
  request_.eos_token_ids = {{1, 2}};
  checkpoint_.bad_words_ids = {{{2}, {6}, {7, 1}, {1, 2}}};
  EXPECT_THAT(MustResolve().bad_words,
              ElementsAre(ElementsAre(6), ElementsAre(7, 1), ElementsAre(1, 2)));
  request_.forced_bos_token_id = 6;  // comes first all the same: see the chain's order
  EXPECT_EQ(MustResolve().forced_bos_token, 6);
  request_.bad_words_ids.emplace();
  EXPECT_TRUE(MustResolve().bad_words.empty());
}

TEST_F(ResolveOptionsTest, BadWordsOfTextsComeBesideThoseOfIds) {
  checkpoint_.bad_words_ids = {{{6}}};
  context_.bad_words = {{7, 8}, {9}};
  EXPECT_THAT(MustResolve().bad_words,
              ElementsAre(ElementsAre(6), ElementsAre(7, 8), ElementsAre(9)));
  context_.bad_words = std::vector<std::vector<TokenId>>(1024, {7, 8});
  ExpectError("options.bad_words", "2049", "at most 2048");
}

TEST_F(ResolveOptionsTest, OfEqualSequencesTheLastBiasCounts) {
  request_.sequence_bias = {{{{5}, 1.0f}, {{5, 6}, 2.0f}, {{5}, -3.0f}}};
  EXPECT_THAT(MustResolve().sequence_bias,
              ElementsAre(SequenceBias{{5}, -3.0f}, SequenceBias{{5, 6}, 2.0f}));
}

TEST_F(ResolveOptionsTest, SequencesAreCheckedAndBounded) {
  using Options = GenerationOptions;
  using Words = std::vector<std::vector<TokenId>>;
  using Biases = std::vector<SequenceBias>;
  ExpectRefused(&Options::bad_words_ids, Words{{5}, {}}, "bad_words_ids");
  ExpectRefused(&Options::bad_words_ids, Words{{5, 100}}, "bad_words_ids");
  ExpectRefused(&Options::bad_words_ids, Words{{-1}}, "bad_words_ids");
  ExpectRefused(&Options::sequence_bias, Biases{{{}, 1.0f}}, "sequence_bias");
  ExpectRefused(&Options::sequence_bias, Biases{{{100}, 1.0f}}, "sequence_bias");
  for (const float bias :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    ExpectRefused(&Options::sequence_bias, Biases{{{5}, bias}}, "sequence_bias");
  }
  checkpoint_.bad_words_ids = Words(1000, {3, 4});
  request_.sequence_bias = Biases{{std::vector<TokenId>(48, 5), 1.0f}};
  MustResolve();
  request_.sequence_bias->push_back({{6}, 1.0f});
  ExpectError("options.sequence_bias", "2049", "at most 2048");
  request_.bad_words_ids = Words(5000, {7});
  ExpectError("options.bad_words_ids", "2049", "at most 2048");
}

TEST_F(ResolveOptionsTest, LengthDecay) {
  EXPECT_EQ(MustResolve().length_decay, std::nullopt);
  checkpoint_.exponential_decay_length_penalty = {3, 1.5f};
  EXPECT_EQ(MustResolve().length_decay, (LengthDecay{3, 1.5f}));
  request_.exponential_decay_length_penalty = {-1, 1.5f};
  ExpectError("options.exponential_decay_length_penalty.start_index", "-1", "at least 0");
  request_.exponential_decay_length_penalty = {0, 0.0f};
  ExpectError("options.exponential_decay_length_penalty.decay_factor", "0", "above 0");
}

TEST_F(ResolveOptionsTest, WhatLooksAtTheSource) {
  request_.encoder_repetition_penalty = 1.5f;
  checkpoint_.encoder_no_repeat_ngram_size = 3;
  EXPECT_EQ(MustResolve().encoder_repetition_penalty, 1.5f);
  EXPECT_EQ(MustResolve().encoder_no_repeat_ngram_size, 3);
  using Options = GenerationOptions;
  ExpectRefused(&Options::encoder_repetition_penalty, 0.0f, "encoder_repetition_penalty");
  ExpectRefused(&Options::encoder_no_repeat_ngram_size, -1, "encoder_no_repeat_ngram_size");
}

TEST_F(ResolveOptionsTest, TheLaterFilters) {
  request_.do_sample = true;
  checkpoint_.typical_p = 0.5f;
  checkpoint_.epsilon_cutoff = 0.25f;
  request_.eta_cutoff = 0.125f;
  const DecodeParams params = MustResolve();
  EXPECT_EQ(params.typical_p, 0.5f);
  EXPECT_EQ(params.epsilon_cutoff, 0.25f);
  EXPECT_EQ(params.eta_cutoff, 0.125f);
  using Options = GenerationOptions;
  for (const float bad : {-0.5f, 1.5f, std::numeric_limits<float>::quiet_NaN()}) {
    ExpectRefused(&Options::typical_p, bad, "typical_p");
    ExpectRefused(&Options::epsilon_cutoff, bad, "epsilon_cutoff");
    ExpectRefused(&Options::eta_cutoff, bad, "eta_cutoff");
  }
  ExpectRefused(&Options::typical_p, 0.0f, "typical_p");
  ExpectRefused(&Options::epsilon_cutoff, 1.0f, "epsilon_cutoff");
  request_.eta_cutoff.reset();
  request_.do_sample = false;
  EXPECT_EQ(MustResolve().typical_p, 1.0f);
  EXPECT_EQ(MustResolve().epsilon_cutoff, 0.0f);
}

}  // namespace
}  // namespace transept
