#include "engine/decode/stopping.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace transept {
namespace {

constexpr TokenId kEos = 1;

// Token n is the n-th letter; the text of a token sequence is their concatenation.
class LetterTokenizer : public Tokenizer {
 public:
  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override {
    std::vector<TokenId> ids;
    for (char c : text) ids.push_back(c - 'a');
    return ids;
  }
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override {
    return Encode(text);
  }
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return std::make_unique<Detokenizer>();
  }
  std::string Piece(TokenId id) const override { return {static_cast<char>('a' + id)}; }
  int32_t vocab_size() const override { return 26; }

 private:
  class Detokenizer : public IncrementalDetokenizer {
   public:
    std::string Append(absl::Span<const TokenId> ids) override {
      std::string text;
      for (TokenId id : ids) text += static_cast<char>('a' + id);
      return text;
    }
    std::string Finish() override { return ""; }
  };
};

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
  EXPECT_EQ(RunRules(Params(10, {"zz", "fg"}), {23, 5, 6, 7}),
            std::pair(size_t{3}, std::optional(FinishReason::kStopSequence)));
  EXPECT_EQ(RunRules(Params(10, {"fh"}), {23, 5, 6, 7}).second, std::nullopt);
}

TEST(StoppingRulesTest, StopSequenceBeatsLengthAndLosesToEos) {
  EXPECT_EQ(RunRules(Params(2, {"f"}), {4, 5}),
            std::pair(size_t{2}, std::optional(FinishReason::kStopSequence)));
  EXPECT_EQ(RunRules(Params(9, {"b"}), {4, kEos}),
            std::pair(size_t{2}, std::optional(FinishReason::kEos)));
}

TEST(StoppingRulesTest, NeedsNoTokenizerWithoutStopSequences) {
  const DecodeParams params = Params(1);
  StoppingRules rules(&params, nullptr);
  EXPECT_EQ(rules.Append(9), FinishReason::kLength);
}

}  // namespace
}  // namespace transept
