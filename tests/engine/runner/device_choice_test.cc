#include "engine/runner/device_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace transept {
namespace {

using kernels::cuda::BitOf;
using kernels::cuda::RowChoice;
using kernels::cuda::TokenSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint32_t kEos = BitOf(TokenSet::kEos), kSuppressed = BitOf(TokenSet::kSuppressed),
                   kBegin = BitOf(TokenSet::kBeginSuppressed);

class DeviceChoice : public ::testing::Test {
 protected:
  DeviceChoice() { params_.eos_tokens = {1, 2}; }

  // After `known` tokens that the host knows, all of them fed or, if one more is pending, none.
  RowChoice At(int32_t known, bool pending = false) {
    history_.assign(known, 5);
    RowPlan row;
    row.slot = 3;
    row.hypothesis = 2;
    row.params = &params_;
    row.prompt_length = prompt_length_;
    row.history = history_;
    if (pending) {
      row.first_position = known;
    } else {
      row.tokens = row.history;
    }
    return ChoiceOf(row, {.length = 6});
  }

  DecodeParams params_;
  int32_t prompt_length_ = 1;
  std::vector<TokenId> history_;
};

TEST_F(DeviceChoice, ByDefaultIsPlainGreedy) {
  const RowChoice choice = At(4);
  EXPECT_EQ(choice.slot, 3);
  EXPECT_EQ(choice.length, 4);
  EXPECT_EQ(choice.repetition_penalty, 1.0f);
  EXPECT_EQ(choice.no_repeat_ngram_size, 0);
  EXPECT_LT(choice.forced_token, 0);
  EXPECT_EQ(choice.banned_sets, 0u);
  EXPECT_EQ(choice.top_tokens, 0);
  EXPECT_FALSE(choice.sample);
}

TEST_F(DeviceChoice, CarriesWhatSamplingNeeds) {
  params_.do_sample = true;
  params_.temperature = 0.5f;
  params_.top_k = 7;
  params_.top_p = 0.75f;
  params_.min_p = 0.25f;
  params_.typical_p = 0.125f;
  params_.epsilon_cutoff = 0.0625f;
  params_.eta_cutoff = 0.375f;
  params_.seed = uint64_t{1} << 40;
  params_.top_logprobs = 6;
  const RowChoice choice = At(4, /*pending=*/true);
  EXPECT_TRUE(choice.sample);
  EXPECT_EQ(choice.length, 5);
  EXPECT_EQ(choice.hypothesis, 2u);
  EXPECT_EQ(choice.temperature, 0.5f);
  EXPECT_EQ(choice.top_k, 7);
  EXPECT_EQ(choice.top_p, 0.75f);
  EXPECT_EQ(choice.min_p, 0.25f);
  EXPECT_EQ(choice.typical_p, 0.125f);
  EXPECT_EQ(choice.epsilon_cutoff, 0.0625f);
  EXPECT_EQ(choice.eta_cutoff, 0.375f);
  EXPECT_EQ(choice.seed, uint64_t{1} << 40);
  EXPECT_EQ(choice.top_tokens, 6);
}

TEST_F(DeviceChoice, BansFollowTheLengthWithThePendingToken) {
  params_.min_new_tokens = 2;
  params_.suppress_tokens = {7};
  params_.begin_suppress_tokens = {8};
  EXPECT_EQ(At(1).banned_sets, kSuppressed | kBegin | kEos);
  EXPECT_EQ(At(1, /*pending=*/true).banned_sets, kSuppressed | kEos);
  EXPECT_EQ(At(3).banned_sets, kSuppressed);
  prompt_length_ = 3;
  EXPECT_EQ(At(3).banned_sets, kSuppressed | kBegin | kEos);
}

TEST_F(DeviceChoice, NgramsWaitForAHistoryAsLong) {
  params_.no_repeat_ngram_size = 3;
  params_.repetition_penalty = 1.5f;
  EXPECT_EQ(At(2).no_repeat_ngram_size, 0);
  EXPECT_EQ(At(2, /*pending=*/true).no_repeat_ngram_size, 3);
  EXPECT_EQ(At(2).repetition_penalty, 1.5f);
}

TEST_F(DeviceChoice, ForcedTokensUndoTheBansInFrontOfThem) {
  params_.max_new_tokens = 4;
  params_.min_new_tokens = 4;
  params_.suppress_tokens = {7};
  params_.forced_bos_token = 9;
  params_.forced_eos_token = 2;
  EXPECT_EQ(At(1).forced_token, 9);
  EXPECT_EQ(At(1).banned_sets, kSuppressed);
  EXPECT_LT(At(2).forced_token, 0);
  EXPECT_EQ(At(2).banned_sets, kSuppressed | kEos);
  EXPECT_EQ(At(4).forced_token, 2);
  EXPECT_EQ(At(4).banned_sets, kSuppressed);
}

TEST_F(DeviceChoice, CarriesWhatTheSourceIsFor) {
  EXPECT_EQ(At(4).source_penalty, 1.0f);
  EXPECT_EQ(At(4).source_ngram_size, 0);
  params_.encoder_repetition_penalty = 4.0f;
  params_.encoder_no_repeat_ngram_size = 3;
  EXPECT_EQ(At(1).source_penalty, 0.25f);
  EXPECT_EQ(At(1).source_ngram_size, 0);
  EXPECT_EQ(At(1, /*pending=*/true).source_ngram_size, 3);
  EXPECT_EQ(At(2).source_length, 6);
}

TEST_F(DeviceChoice, TheRaiseOfTheEndFollowsTheLength) {
  params_.length_decay = {.start_index = 1, .decay_factor = 3.0f};
  EXPECT_EQ(At(2).eos_raise, 0.0f);
  EXPECT_EQ(At(2, /*pending=*/true).eos_raise, 2.0f);
  EXPECT_EQ(At(4).eos_raise, 8.0f);
  EXPECT_THAT(TokensOf(params_, {}, TokenSet::kEos), ElementsAre(1, 2));
}

TEST_F(DeviceChoice, SequencesAreRulesByTheirLastTokens) {
  params_.sequence_bias = {{{7, 8, 9}, 1.0f}, {{3}, 2.0f}, {{9}, 3.0f}};
  params_.bad_words = {{4}, {6, 5}};
  EXPECT_EQ(At(4).biased_sequences, 3);
  EXPECT_EQ(At(4).banned_sequences, 2);
  const auto rules = std::make_unique<kernels::cuda::SequenceRules>();
  FillRules(params_, rules.get());
  std::vector<int32_t> last, prefixes;
  std::vector<float> biases;
  for (int i = 0; i < 5; ++i) {
    last.push_back(rules->rules[i].last);
    prefixes.push_back(rules->rules[i].prefix);
    biases.push_back(rules->rules[i].bias);
  }
  EXPECT_THAT(last, ElementsAre(3, 9, 9, 4, 5));
  EXPECT_THAT(biases, ElementsAre(2.0f, 1.0f, 3.0f, 0.0f, 0.0f));
  EXPECT_THAT(prefixes, ElementsAre(0, 0, 2, 2, 2));
  EXPECT_EQ(rules->rules[5].prefix, 3);
  EXPECT_THAT(absl::MakeSpan(rules->prefixes).first(3), ElementsAre(7, 8, 6));
}

TEST_F(DeviceChoice, SequencesOfTheLargestSizeFit) {
  params_.bad_words.assign(kMaxSequenceTokens, {4});
  const auto rules = std::make_unique<kernels::cuda::SequenceRules>();
  FillRules(params_, rules.get());
  EXPECT_EQ(rules->rules[kMaxSequenceTokens].prefix, 0);
  params_.bad_words = {std::vector<TokenId>(kMaxSequenceTokens, 4)};
  FillRules(params_, rules.get());
  EXPECT_EQ(rules->rules[1].prefix, kMaxSequenceTokens - 1);
}

TEST_F(DeviceChoice, SetsThatNoStepNeedsAreEmpty) {
  const std::vector<TokenId> source = {4, 4, 1};
  EXPECT_THAT(TokensOf(params_, source, TokenSet::kEos), IsEmpty());
  params_.min_new_tokens = 1;
  params_.suppress_tokens = {7};
  EXPECT_THAT(TokensOf(params_, source, TokenSet::kEos), ElementsAre(1, 2));
  EXPECT_THAT(TokensOf(params_, source, TokenSet::kSuppressed), ElementsAre(7));
  EXPECT_THAT(TokensOf(params_, source, TokenSet::kBeginSuppressed), IsEmpty());
  EXPECT_THAT(TokensOf(params_, source, TokenSet::kSource), IsEmpty());
  params_.encoder_repetition_penalty = 1.5f;
  EXPECT_THAT(TokensOf(params_, source, TokenSet::kSource), ElementsAre(4, 4, 1));
}

TEST_F(DeviceChoice, BeamsChooseTogether) {
  params_.num_beams = 4;
  params_.top_logprobs = 3;
  const RowChoice choice = At(4);
  EXPECT_EQ(choice.beams, 4);
  EXPECT_EQ(choice.hypothesis, 2u);
  EXPECT_EQ(choice.beam_candidates, 12);  // two tokens may end a beam
  EXPECT_EQ(choice.top_tokens, 3);
  EXPECT_FALSE(choice.on_log_probs);
  EXPECT_FALSE(choice.renormalize);
  EXPECT_THAT(TokensOf(params_, {}, TokenSet::kEos), ElementsAre(1, 2));
}

TEST_F(DeviceChoice, BeamsAreProcessedAsLogProbabilitiesWhereThatMatters) {
  params_.num_beams = 2;
  params_.suppress_tokens = {5};
  for (const bool renormalize : {false, true}) {
    params_.renormalize_logits = renormalize;
    params_.repetition_penalty = 1.0f;
    EXPECT_FALSE(At(4).on_log_probs);
    EXPECT_EQ(At(4).renormalize, renormalize);
    params_.repetition_penalty = 1.5f;
    EXPECT_TRUE(At(4).on_log_probs);
    EXPECT_EQ(At(4).renormalize, renormalize);
  }
  params_.num_beams = 1;
  EXPECT_FALSE(At(4).on_log_probs);
  EXPECT_FALSE(At(4).renormalize);
}

TEST_F(DeviceChoice, DrawnBeamsAreLogProbabilities) {
  params_.num_beams = 4;
  params_.do_sample = true;
  params_.temperature = 0.5f;
  params_.forced_bos_token = 6;
  for (const int32_t known : {1, 4}) {  // at the first a token is forced
    const RowChoice choice = At(known);
    EXPECT_TRUE(choice.sample);
    EXPECT_TRUE(choice.on_log_probs);
    EXPECT_EQ(choice.temperature, 0.5f);
    EXPECT_EQ(choice.min_tokens_to_keep, 3);  // two tokens may end a beam
  }
  params_.num_beams = 1;
  EXPECT_FALSE(At(4).on_log_probs);
  EXPECT_EQ(At(4).min_tokens_to_keep, 1);
}

TEST_F(DeviceChoice, ForcedTokensNeedNoLogProbabilities) {
  params_.num_beams = 2;
  params_.repetition_penalty = 1.5f;
  params_.forced_bos_token = 6;
  prompt_length_ = 1;
  EXPECT_TRUE(At(4).on_log_probs);
  EXPECT_FALSE(At(1).on_log_probs);
}

TEST_F(DeviceChoice, LogitsDoForSequencesButNotForWhatScalesScores) {
  params_.num_beams = 2;
  params_.renormalize_logits = true;
  params_.sequence_bias = {{{5}, 1.0f}};
  params_.bad_words = {{6}};
  params_.encoder_no_repeat_ngram_size = 2;
  EXPECT_FALSE(At(4).on_log_probs);
  params_.renormalize_logits = false;  // now a bias must round as the CPU's does
  EXPECT_TRUE(At(4).on_log_probs);
  params_.sequence_bias.clear();
  EXPECT_FALSE(At(4).on_log_probs);
  params_.length_decay = {.start_index = 1, .decay_factor = 1.5f};
  EXPECT_TRUE(At(4).on_log_probs);
  params_.length_decay.reset();
  params_.encoder_repetition_penalty = 1.5f;
  EXPECT_TRUE(At(4).on_log_probs);
}

}  // namespace
}  // namespace transept
