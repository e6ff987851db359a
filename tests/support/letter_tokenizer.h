// A tokenizer for tests of what looks at the output's text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"

namespace transept {

inline char LetterOf(TokenId id) {
  return static_cast<char>('a' + id - 10);
}

// The text of a token sequence is LetterOf each.
class LetterTokenizer final : public Tokenizer {
 public:
  class Detokenizer final : public IncrementalDetokenizer {
   public:
    std::string Append(absl::Span<const TokenId> ids) override {
      std::string text;
      for (const TokenId id : ids) text += LetterOf(id);
      return text;
    }
    std::string Finish() override { return ""; }
    std::unique_ptr<IncrementalDetokenizer> Clone() const override {
      return std::make_unique<Detokenizer>(*this);
    }
  };

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view) const override {
    return absl::UnimplementedError("not needed");
  }
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view) const override {
    return absl::UnimplementedError("not needed");
  }
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return std::make_unique<Detokenizer>();
  }
  std::string Piece(TokenId) const override { return ""; }
  int32_t vocab_size() const override { return 36; }
};

}  // namespace transept
