#include "engine/decode/stopping.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/letter_tokenizer.h"

namespace transept {
namespace {

constexpr TokenId kEos = 1;

DecodeParams Params(int32_t max_new_tokens, std::vector<std::string> stop_sequences = {}) {
  DecodeParams params;
  params.max_new_tokens = max_new_tokens;
  params.eos_tokens = {kEos};
  params.stop_sequences = std::move(stop_sequences);
  return params;
}

// The number of tokens that `rules` takes up to the end, and the reason.
std::pair<size_t, std::optional<FinishReason>> RunRules(const DecodeParams& params,
                                                        const std::vector<TokenId>& tokens) {
  const LetterTokenizer tokenizer;
  StoppingRules rules(&params, &tokenizer);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (const auto reason = rules.Append(tokens[i])) return {i + 1, reason};
  }
  return {tokens.size(), std::nullopt};
}

TEST(StoppingRulesTest, Eos) {
  DecodeParams params = Params(10);
  EXPECT_EQ(RunRules(params, {5, 6, 1, 7}),
            std::pair(size_t{3}, std::optional(FinishReason::kEos)));
  params.eos_tokens = {1, 6};
  EXPECT_EQ(RunRules(params, {5, 6, 1, 7}),
            std::pair(size_t{2}, std::optional(FinishReason::kEos)));
}

TEST(StoppingRulesTest, Length) {
  EXPECT_EQ(RunRules(Params(3), {5, 6, 7, 8}),
            std::pair(size_t{3}, std::optional(FinishReason::kLength)));
  EXPECT_EQ(RunRules(Params(1), {5}), std::pair(size_t{1}, std::optional(FinishReason::kLength)));
  EXPECT_EQ(RunRules(Params(3), {5, 6}).second, std::nullopt);
}

TEST(StoppingRulesTest, EosAtTheLengthIsEos) {
  EXPECT_EQ(RunRules(Params(2), {5, kEos}),
            std::pair(size_t{2}, std::optional(FinishReason::kEos)));
}

TEST(StoppingRulesTest, StopSequenceAcrossTokens) {
  // "xfgh": stops at the g that completes "fg".
  EXPECT_EQ(RunRules(Params(10, {"zz", "fg"}), {33, 15, 16, 17}),
            std::pair(size_t{3}, std::optional(FinishReason::kStopSequence)));
  EXPECT_EQ(RunRules(Params(10, {"fh"}), {33, 15, 16, 17}).second, std::nullopt);
}

TEST(StoppingRulesTest, StopSequenceBeatsLengthAndLosesToEos) {
  EXPECT_EQ(RunRules(Params(2, {"f"}), {14, 15}),
            std::pair(size_t{2}, std::optional(FinishReason::kStopSequence)));
  EXPECT_EQ(RunRules(Params(9, {"X"}), {14, kEos}),
            std::pair(size_t{2}, std::optional(FinishReason::kEos)));
}

TEST(StoppingRulesTest, ACopyGoesOnByItself) {
  const DecodeParams params = Params(9, {"fg"});
  const LetterTokenizer tokenizer;
  StoppingRules rules(&params, &tokenizer);
  EXPECT_EQ(rules.Append(15), std::nullopt);
  StoppingRules copy = rules;
  EXPECT_EQ(rules.Append(17), std::nullopt);
  EXPECT_EQ(rules.Append(16), std::nullopt);
  EXPECT_EQ(copy.Append(16), FinishReason::kStopSequence);
  copy.ForgetText();
  EXPECT_EQ(copy.Append(17), std::nullopt);
  EXPECT_EQ(copy.Append(kEos), FinishReason::kEos);
}

TEST(StoppingRulesTest, NeedsNoTokenizerWithoutStopSequences) {
  const DecodeParams params = Params(1);
  StoppingRules rules(&params, nullptr);
  EXPECT_EQ(rules.Append(9), FinishReason::kLength);
}

}  // namespace
}  // namespace transept
