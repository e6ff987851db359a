#include "engine/text/tokenizer.h"

namespace transept {

std::string Tokenizer::Decode(absl::Span<const TokenId> ids) const {
  const std::unique_ptr<IncrementalDetokenizer> detokenizer = NewDetokenizer();
  std::string text = detokenizer->Append(ids);
  text += detokenizer->Finish();
  return text;
}

absl::StatusOr<std::vector<TokenId>> Tokenizer::EncodeSource(
    std::string_view text, const LanguagePair& /*languages*/) const {
  return Encode(text);
}

absl::StatusOr<std::vector<TokenId>> Tokenizer::EncodeTarget(std::string_view text) const {
  return Encode(text);
}

}  // namespace transept
