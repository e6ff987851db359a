#include "engine/text/translation_tokenizer.h"

#include <algorithm>
#include <utility>

namespace transept {
namespace {

int32_t VocabularySize(const TranslationTokenizer::Options& options) {
  int32_t size = std::max(options.source->vocab_size(), options.eos + 1);
  if (options.languages) {
    for (const auto& [name, token] : options.languages->tokens) size = std::max(size, token + 1);
  }
  return size;
}

}  // namespace

TranslationTokenizer::TranslationTokenizer(Options options)
    : options_(std::move(options)), vocab_size_(VocabularySize(options_)) {}

absl::StatusOr<std::vector<TokenId>> TranslationTokenizer::Encode(std::string_view text) const {
  return EncodeSource(text, {});
}

absl::StatusOr<std::vector<TokenId>> TranslationTokenizer::EncodeSource(
    std::string_view text, const LanguagePair& languages) const {
  const auto mark = MarkOf(languages);
  if (!mark.ok()) return mark.status();
  auto ids = options_.source->Encode(text);
  if (!ids.ok()) return ids;
  ids->push_back(options_.eos);
  if (mark->has_value()) {
    const bool before = options_.languages->place == LanguagePlace::kBeforeText;
    ids->insert(before ? ids->begin() : ids->end(), **mark);
  }
  return ids;
}

absl::StatusOr<std::vector<TokenId>> TranslationTokenizer::EncodeTarget(
    std::string_view text) const {
  return target().Encode(text);
}

absl::StatusOr<std::vector<TokenId>> TranslationTokenizer::EncodeInside(
    std::string_view text) const {
  return target().EncodeInside(text);
}

const Languages* TranslationTokenizer::languages() const {
  return options_.languages ? &*options_.languages : nullptr;
}

std::unique_ptr<IncrementalDetokenizer> TranslationTokenizer::NewDetokenizer() const {
  return target().NewDetokenizer();
}

std::string TranslationTokenizer::Piece(TokenId id) const {
  std::string piece = options_.source->Piece(id);
  if (piece.empty() && options_.languages) {
    for (const auto& [name, token] : options_.languages->tokens) {
      if (token == id) return name;
    }
  }
  return piece;
}

absl::StatusOr<std::optional<TokenId>> TranslationTokenizer::MarkOf(
    const LanguagePair& languages) const {
  if (!options_.languages) return std::nullopt;
  const Languages& known = *options_.languages;
  const bool by_target = known.target_mark == TargetMark::kSource;
  std::string_view name = by_target ? languages.target : languages.source;
  if (name.empty()) name = by_target ? known.target : known.source;
  if (name.empty()) return std::nullopt;
  const auto token = known.Find(name);
  if (!token.ok()) return token.status();
  return *token;
}

}  // namespace transept
