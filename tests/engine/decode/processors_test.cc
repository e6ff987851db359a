#include "engine/decode/processors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string_view>
#include <vector>

#include "tests/engine/decode/golden_cases.h"

namespace transept {
namespace {

using ::testing::ElementsAre;

constexpr float kBanned = -std::numeric_limits<float>::infinity();

std::vector<float> Process(const DecodeParams& params, std::vector<TokenId> history,
                           int32_t prompt_length, std::vector<float> scores) {
  ProcessLogits(params, {.history = history, .prompt_length = prompt_length},
                absl::MakeSpan(scores));
  return scores;
}

TEST(ProcessorsTest, AgreeWithTransformers) {
  const std::vector<GoldenCase> cases = LoadGoldenCases();
  ASSERT_GT(cases.size(), 50u);
  for (const GoldenCase& golden : cases) {
    SCOPED_TRACE(golden.description);
    std::vector<float> scores = golden.scores;
    ProcessLogits(golden.params, golden.context(), absl::MakeSpan(scores));
    ASSERT_EQ(scores.size(), golden.processed.size());
    for (size_t i = 0; i < scores.size(); ++i) {
      EXPECT_FLOAT_EQ(scores[i], golden.processed[i]) << "token " << i;
    }
  }
}

// The golden cases would prove little if a processor took part in none of them.
TEST(ProcessorsTest, GoldenCasesCoverEveryProcessor) {
  std::set<std::string_view> covered;
  for (const GoldenCase& golden : LoadGoldenCases()) {
    for (const LogitsProcessor& processor : LogitsProcessors()) {
      if (processor.applies(golden.params, golden.context().position()))
        covered.insert(processor.name);
    }
  }
  EXPECT_EQ(covered.size(), LogitsProcessors().size());
}

// What each new processor changes, alone.
std::vector<float> ProcessWithSource(const DecodeParams& params, std::vector<TokenId> source,
                                     std::vector<TokenId> history, std::vector<float> scores) {
  ProcessLogits(params, {.history = history, .source = source}, absl::MakeSpan(scores));
  return scores;
}

TEST(ProcessorsTest, EncoderPenaltyFavoursTheSource) {
  DecodeParams params;
  params.encoder_repetition_penalty = 2.0f;
  EXPECT_THAT(ProcessWithSource(params, {2, 1, 2}, {0}, {4, 4, -4}), ElementsAre(4, 8, -2));
}

TEST(ProcessorsTest, NgramsOfTheSourceAreBanned) {
  DecodeParams params;
  params.encoder_no_repeat_ngram_size = 1;
  EXPECT_THAT(ProcessWithSource(params, {2, 1}, {0}, {4, 4, 4}), ElementsAre(4, kBanned, kBanned));
  params.encoder_no_repeat_ngram_size = 3;
  const std::vector<TokenId> source = {3, 1, 2, 3, 1, 0};
  EXPECT_THAT(ProcessWithSource(params, source, {0, 3, 1}, {4, 4, 4, 4}),
              ElementsAre(kBanned, 4, kBanned, 4));
  EXPECT_THAT(ProcessWithSource(params, source, {3, 1}, {4, 4, 4, 4}),
              ElementsAre(kBanned, 4, kBanned, 4));
  EXPECT_THAT(ProcessWithSource(params, source, {1}, {4, 4, 4, 4}), ElementsAre(4, 4, 4, 4));
}

// A source in a vocabulary of its own.
TEST(ProcessorsTest, SourceTokensBeyondTheVocabularyAreNobodysConcern) {
  DecodeParams params;
  params.encoder_repetition_penalty = 2.0f;
  params.encoder_no_repeat_ngram_size = 2;
  EXPECT_THAT(ProcessWithSource(params, {0, 7, 1}, {0}, {4, 4}), ElementsAre(8, 8));
}

TEST(ProcessorsTest, BadWordsEndBeforeTheirLastToken) {
  DecodeParams params;
  params.bad_words = {{1}, {2, 3, 0}, {3, 2}};
  EXPECT_THAT(Process(params, {2, 3}, 1, {4, 4, 4, 4}), ElementsAre(4, kBanned, kBanned, 4));
  EXPECT_THAT(Process(params, {0, 2, 3}, 1, {4, 4, 4, 4}),
              ElementsAre(kBanned, kBanned, kBanned, 4));
}

TEST(ProcessorsTest, BiasesOnOneTokenAddUp) {
  DecodeParams params;
  params.sequence_bias = {{{2, 1}, 3.0f}, {{1}, -1.0f}, {{0, 2}, 5.0f}};
  EXPECT_THAT(Process(params, {0, 2}, 1, {4, 4, 4}), ElementsAre(4, 6, 4));
  EXPECT_THAT(Process(params, {2, 0}, 1, {4, 4, 4}), ElementsAre(4, 3, 9));
}

TEST(ProcessorsTest, DecayRaisesTheEndBehindItsStart) {
  DecodeParams params;
  params.eos_tokens = {1, 2};
  params.length_decay = {.start_index = 1, .decay_factor = 3.0f};
  EXPECT_THAT(Process(params, {0, 0}, 1, {4, 4, -4}), ElementsAre(4, 4, -4));
  EXPECT_THAT(Process(params, {0, 0, 0}, 1, {4, 4, -4}), ElementsAre(4, 12, 4));
  EXPECT_THAT(Process(params, {0, 0, 0, 0}, 1, {4, 4, -4}), ElementsAre(4, 36, 28));
  EXPECT_THAT(Process(params, {0, 0, 0}, 2, {4, 4, -4}), ElementsAre(4, 4, -4));
}

TEST(ProcessorsTest, DecayLeavesWhatIsBanned) {
  DecodeParams params;
  params.eos_tokens = {1};
  params.min_new_tokens = 9;
  params.length_decay = {.start_index = 0, .decay_factor = 2.0f};
  EXPECT_THAT(Process(params, {0, 0, 0}, 1, {4, 4}), ElementsAre(4, kBanned));
  // Nor does it overflow to what is no number.
  params.min_new_tokens = 0;
  EXPECT_THAT(Process(params, std::vector<TokenId>(3000, 0), 1, {4, 0}), ElementsAre(4, 0));
}

TEST(ProcessorsTest, DefaultsChangeNothing) {
  DecodeParams params;
  params.eos_tokens = {1};
  EXPECT_THAT(Process(params, {0, 1, 1}, 1, {1, -2, 3}), ElementsAre(1, -2, 3));
}

TEST(ProcessorsTest, RepetitionPenaltyCountsEachTokenOnce) {
  DecodeParams params;
  params.repetition_penalty = 2.0f;
  EXPECT_THAT(Process(params, {0, 2, 2, 2}, 1, {4, 4, -4}), ElementsAre(2, 4, -8));
}

TEST(ProcessorsTest, NgramLongerThanHistoryBansNothing) {
  DecodeParams params;
  params.no_repeat_ngram_size = 1000;
  EXPECT_THAT(Process(params, {0, 0, 0}, 1, {1, 2}), ElementsAre(1, 2));
}

TEST(ProcessorsTest, MinimumCountsOnlyGeneratedTokens) {
  DecodeParams params;
  params.min_new_tokens = 2;
  params.eos_tokens = {1, 2};
  EXPECT_THAT(Process(params, {0, 3, 3, 3}, 3, {1, 1, 1, 1}), ElementsAre(1, kBanned, kBanned, 1));
  EXPECT_THAT(Process(params, {0, 3, 3, 3, 3}, 3, {1, 1, 1, 1}), ElementsAre(1, 1, 1, 1));
}

TEST(ProcessorsTest, ForcedEosAtTheLastTokenBeatsTheMinimum) {
  DecodeParams params;
  params.eos_tokens = {1};
  params.max_new_tokens = 2;
  params.min_new_tokens = 2;
  params.forced_eos_token = 1;
  EXPECT_THAT(Process(params, {0, 2}, 1, {5, 5, 5}), ElementsAre(kBanned, 0, kBanned));
}

TEST(ProcessorsTest, SuppressedForcedTokenLeavesNothing) {
  DecodeParams params;
  params.forced_bos_token = 1;
  params.suppress_tokens = {1};
  EXPECT_THAT(Process(params, {0}, 1, {5, 5}), ElementsAre(kBanned, kBanned));
}

TEST(ProcessorsTest, BeginSuppressWaitsForTheForcedToken) {
  DecodeParams params;
  params.forced_bos_token = 1;
  params.begin_suppress_tokens = {0};
  EXPECT_THAT(Process(params, {0}, 1, {5, 5}), ElementsAre(kBanned, 0));
  EXPECT_THAT(Process(params, {0, 1}, 1, {5, 5}), ElementsAre(kBanned, 5));
  EXPECT_THAT(Process(params, {0, 1, 1}, 1, {5, 5}), ElementsAre(5, 5));
  // A target prefix takes the forced token's place.
  EXPECT_THAT(Process(params, {0, 1}, 2, {5, 5}), ElementsAre(kBanned, 5));
  EXPECT_THAT(Process(params, {0, 1, 1}, 2, {5, 5}), ElementsAre(5, 5));
}

}  // namespace
}  // namespace transept
