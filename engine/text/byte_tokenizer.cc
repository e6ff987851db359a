#include "engine/text/byte_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/text/added_token_files.h"
#include "engine/text/space_cleanup.h"
#include "engine/text/utf8.h"

namespace transept {
namespace {

constexpr TokenId kEos = 1;
constexpr TokenId kFirstByte = 3;
constexpr TokenId kFirstExtraId = kFirstByte + 256;
constexpr int64_t kDefaultExtraIds = 125;
constexpr int64_t kMaxExtraIds = 100000;

bool IsByte(TokenId id) {
  return id >= kFirstByte && id < kFirstExtraId;
}

std::vector<AddedToken> Values(const AddedTokensById& tokens) {
  std::vector<AddedToken> values;
  for (const auto& [id, token] : tokens) values.push_back(token);
  return values;
}

int32_t VocabularySize(const std::vector<AddedToken>& tokens) {
  int32_t size = kFirstExtraId;
  for (const AddedToken& token : tokens) size = std::max(size, token.id + 1);
  return size;
}

}  // namespace

class ByteTokenizer::Detokenizer final : public IncrementalDetokenizer {
 public:
  explicit Detokenizer(const ByteTokenizer* tokenizer) : tokenizer_(*tokenizer) {}

  std::string Append(absl::Span<const TokenId> ids) override {
    for (const TokenId id : ids) {
      const auto it = tokenizer_.added_tokens_.find(id);
      if (it != tokenizer_.added_tokens_.end()) {
        if (!it->second.special) bytes_ += it->second.content;
      } else if (IsByte(id)) {
        bytes_ += static_cast<char>(id - kFirstByte);
      }
    }
    std::string text;
    std::string_view rest = bytes_;
    while (!rest.empty()) {
      const Utf8Char c = DecodeUtf8Char(rest);
      if (c.incomplete) break;
      if (c.valid) text += rest.substr(0, c.length);
      rest.remove_prefix(c.length);
    }
    bytes_.erase(0, bytes_.size() - rest.size());
    return text;
  }

  std::string Finish() override { return ""; }
  std::unique_ptr<IncrementalDetokenizer> Clone() const override {
    return std::make_unique<Detokenizer>(*this);
  }

 private:
  const ByteTokenizer& tokenizer_;
  std::string bytes_;  // the start of a character
};

absl::StatusOr<std::unique_ptr<ByteTokenizer>> ByteTokenizer::Create(
    const JsonDocument& tokenizer_config) {
  std::vector<AddedToken> tokens;
  for (const char* content : {"<pad>", "</s>", "<unk>"}) {
    tokens.push_back({.id = static_cast<TokenId>(tokens.size()),
                      .content = content,
                      .lstrip = true,
                      .rstrip = true,
                      .special = true});
  }
  const auto extra_ids = tokenizer_config["extra_ids"].AsIntOr(kDefaultExtraIds, 0, kMaxExtraIds);
  if (!extra_ids.ok()) return extra_ids.status();
  const auto listed = ReadAddedTokensDecoder(tokenizer_config["added_tokens_decoder"]);
  if (!listed.ok()) return listed.status();
  // A list of added tokens has the sentinels in it; transformers then writes 0 extra ids.
  for (TokenId i = 0; listed->empty() && i < *extra_ids; ++i) {
    tokens.push_back(
        {.id = kFirstExtraId + i, .content = absl::StrCat("<extra_id_", i, ">"), .special = true});
  }
  for (AddedToken token : *listed) {
    // The first three are special by their role, whatever their flag says.
    token.special |= token.id < kFirstByte;
    tokens.push_back(std::move(token));
  }
  const auto clean_up = tokenizer_config["clean_up_tokenization_spaces"].AsBoolOr(false);
  if (!clean_up.ok()) return clean_up.status();
  return std::unique_ptr<ByteTokenizer>(new ByteTokenizer(tokens, *clean_up));
}

ByteTokenizer::ByteTokenizer(const std::vector<AddedToken>& added_tokens, bool clean_up_spaces)
    : added_tokens_(IndexById(added_tokens)),
      splitter_(Values(added_tokens_)),
      clean_up_spaces_(clean_up_spaces),
      vocab_size_(VocabularySize(added_tokens)) {}

absl::StatusOr<std::vector<TokenId>> ByteTokenizer::Encode(std::string_view text) const {
  auto ids = EncodeInside(text);
  if (ids.ok() && (ids->empty() || ids->back() != kEos)) ids->push_back(kEos);
  return ids;
}

absl::StatusOr<std::vector<TokenId>> ByteTokenizer::EncodeInside(std::string_view text) const {
  const std::string valid = ReplaceInvalidUtf8(text);
  std::vector<TokenId> ids;
  ids.reserve(valid.size() + 1);
  for (const AddedTokenSplitter::Part& part : splitter_.Split(valid)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    for (const char c : part.text) ids.push_back(kFirstByte + static_cast<unsigned char>(c));
  }
  return ids;
}

std::unique_ptr<IncrementalDetokenizer> ByteTokenizer::NewDetokenizer() const {
  auto detokenizer = std::make_unique<Detokenizer>(this);
  if (clean_up_spaces_) return WithSpaceCleanup(std::move(detokenizer));
  return detokenizer;
}

std::string ByteTokenizer::Piece(TokenId id) const {
  if (const auto it = added_tokens_.find(id); it != added_tokens_.end()) return it->second.content;
  if (!IsByte(id)) return "";
  // The character of that number, as transformers writes it.
  const int byte = id - kFirstByte;
  if (byte < 0x80) return std::string(1, static_cast<char>(byte));
  return {static_cast<char>(0xC0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3F))};
}

}  // namespace transept
