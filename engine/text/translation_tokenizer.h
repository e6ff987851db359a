// A tokenizer of two sides, source and target, that may be told languages.
#pragma once

#include <memory>
#include <optional>

#include "engine/text/languages.h"
#include "engine/text/tokenizer.h"

namespace transept {

class TranslationTokenizer final : public Tokenizer {
 public:
  struct Options {
    // Both add nothing to a text. Without a target, the source's is both.
    std::unique_ptr<const Tokenizer> source;
    std::unique_ptr<const Tokenizer> target;
    TokenId eos = 0;                     // after every source
    std::optional<Languages> languages;  // their tokens are in the source's vocabulary
  };

  explicit TranslationTokenizer(Options options);

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override;
  absl::StatusOr<std::vector<TokenId>> EncodeSource(std::string_view text,
                                                    const LanguagePair& languages) const override;
  absl::StatusOr<std::vector<TokenId>> EncodeTarget(std::string_view text) const override;
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override;
  const Languages* languages() const override;
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override;
  std::string Piece(TokenId id) const override;
  // Of the source's vocabulary.
  int32_t vocab_size() const override { return vocab_size_; }

 private:
  // The token that marks a source; nullopt where the languages are left to a folder without any.
  absl::StatusOr<std::optional<TokenId>> MarkOf(const LanguagePair& languages) const;
  const Tokenizer& target() const { return options_.target ? *options_.target : *options_.source; }

  const Options options_;
  const int32_t vocab_size_;
};

}  // namespace transept
