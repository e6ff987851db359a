#include "engine/text/subword_detokenizer.h"

#include <algorithm>
#include <utility>

#include "engine/text/byte_level.h"
#include "engine/text/utf8.h"

namespace transept {

SubwordDetokenizer::SubwordDetokenizer(const SubwordModel* model,
                                       const AddedTokensById* added_tokens, DecodingRules rules)
    : model_(*model),
      added_tokens_(*added_tokens),
      rules_(rules),
      drop_space_(rules.start == DecodingRules::Start::kDropOneSpace) {}

std::string SubwordDetokenizer::Append(absl::Span<const TokenId> ids) {
  std::string text;
  for (const TokenId id : ids) {
    if (const auto token = TextOf(id)) AppendToken(*token, &text);
  }
  DropFirstSpace(&text);
  return text;
}

std::string SubwordDetokenizer::Finish() {
  std::string text;
  TakeBytes(true, &text);
  DropFirstSpace(&text);
  return text;
}

std::optional<std::string_view> SubwordDetokenizer::TextOf(TokenId id) const {
  if (const auto it = added_tokens_.find(id); it != added_tokens_.end()) {
    if (it->second.special) return std::nullopt;
    return it->second.content;
  }
  if (id < 0 || id >= model_.size()) return std::nullopt;
  return model_.text(id);
}

void SubwordDetokenizer::AppendToken(std::string_view token, std::string* text) {
  const bool first = std::exchange(first_token_, false);
  if (rules_.bytes == DecodingRules::Bytes::kAll) {
    AppendCharacterBytes(token, &bytes_);
    TakeBytes(false, text);
    return;
  }
  if (rules_.bytes != DecodingRules::Bytes::kAsWritten) {
    if (const auto byte = ByteOfPiece(token)) {
      bytes_ += static_cast<char>(*byte);
      TakeBytes(false, text);
      return;
    }
    TakeBytes(true, text);
  }
  const bool drop_marks = first && rules_.start == DecodingRules::Start::kDropFirstTokensMarks;
  while (!token.empty()) {
    const size_t mark = std::min(token.find(kSpaceMark), token.size());
    text->append(token.substr(0, mark));
    if (mark == token.size()) break;
    if (!drop_marks) *text += ' ';
    token.remove_prefix(mark + kSpaceMark.size());
  }
}

void SubwordDetokenizer::DropFirstSpace(std::string* text) {
  if (!drop_space_ || text->empty()) return;
  drop_space_ = false;
  if (text->front() == ' ') text->erase(0, 1);
}

void SubwordDetokenizer::TakeBytes(bool run_ends, std::string* text) {
  if (rules_.bytes == DecodingRules::Bytes::kWholeRun) {
    if (!run_ends) return;
    if (IsValidUtf8(bytes_)) {
      *text += bytes_;
    } else {
      for (size_t i = 0; i < bytes_.size(); ++i) *text += kReplacementCharacter;
    }
    bytes_.clear();
    return;
  }
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    const Utf8Char c = DecodeUtf8Char(rest);
    if (c.incomplete && !run_ends) break;
    // SentencePiece has one U+FFFD for each byte that is not UTF-8.
    const bool each_byte = rules_.bytes != DecodingRules::Bytes::kAll;
    const size_t length = c.valid || !each_byte ? c.length : 1;
    text->append(c.valid ? rest.substr(0, length) : kReplacementCharacter);
    rest.remove_prefix(length);
  }
  bytes_.erase(0, bytes_.size() - rest.size());
}

}  // namespace transept
