#include "engine/text/written_languages.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "engine/text/languages.h"

namespace transept {
namespace {

// "<2de>" and "<2zh_Latn>".
bool IsLanguageToken(std::string_view piece) {
  if (piece.size() < 4 || !piece.starts_with("<2") || !piece.ends_with('>')) return false;
  const std::string_view name = piece.substr(2, piece.size() - 3);
  return absl::ascii_isalpha(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

std::optional<Languages> FindLanguages(const Tokenizer& tokenizer) {
  Languages languages;
  languages.mark_source = false;
  languages.target_mark = TargetMark::kSource;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string piece = tokenizer.Piece(id);
    if (!IsLanguageToken(piece)) continue;
    languages.tokens.emplace(LanguageName(piece), id);
    if (languages.tokens.size() == Languages::kMost) break;
  }
  if (languages.tokens.empty()) return std::nullopt;
  return languages;
}

class WrittenLanguageTokenizer final : public Tokenizer {
 public:
  WrittenLanguageTokenizer(std::unique_ptr<const Tokenizer> tokenizer, Languages languages)
      : tokenizer_(std::move(tokenizer)), languages_(std::move(languages)) {}

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override {
    return tokenizer_->Encode(text);
  }

  absl::StatusOr<std::vector<TokenId>> EncodeSource(std::string_view text,
                                                    const LanguagePair& languages) const override {
    if (languages.target.empty()) return Encode(text);
    const auto token = languages_.Find(languages.target);
    if (!token.ok()) return token.status();
    return Encode(Piece(*token) + " " + std::string(text));
  }

  absl::StatusOr<std::vector<TokenId>> EncodeTarget(std::string_view text) const override {
    return tokenizer_->EncodeTarget(text);
  }
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override {
    return tokenizer_->EncodeInside(text);
  }
  const Languages* languages() const override { return &languages_; }
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return tokenizer_->NewDetokenizer();
  }
  std::string Piece(TokenId id) const override { return tokenizer_->Piece(id); }
  int32_t vocab_size() const override { return tokenizer_->vocab_size(); }

 private:
  const std::unique_ptr<const Tokenizer> tokenizer_;
  const Languages languages_;
};

}  // namespace

std::unique_ptr<Tokenizer> WithWrittenLanguages(std::unique_ptr<Tokenizer> tokenizer) {
  auto languages = FindLanguages(*tokenizer);
  if (!languages) return tokenizer;
  return std::make_unique<WrittenLanguageTokenizer>(std::move(tokenizer), *std::move(languages));
}

}  // namespace transept
