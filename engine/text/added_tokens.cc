#include "engine/text/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "engine/text/utf8.h"

namespace transept {
namespace {

ByteTrie MakeTrie(const std::vector<AddedToken>& tokens) {
  std::vector<ByteTrie::Entry> entries;
  for (size_t i = 0; i < tokens.size(); ++i) {
    entries.emplace_back(tokens[i].content, static_cast<int32_t>(i));
  }
  return ByteTrie(std::move(entries));
}

// Unicode's word characters, as regular expressions have them (UTS #18).
bool IsWordCharacter(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  constexpr uint32_t kCategories = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_isUAlphabetic(c) || (U_MASK(u_charType(c)) & kCategories) != 0 ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

// Whether text[start, end) has no word character next to it.
bool IsSingleWord(std::string_view text, size_t start, size_t end) {
  if (start > 0) {
    size_t before = start - 1;
    while (before > 0 && (static_cast<uint8_t>(text[before]) & 0xC0) == 0x80) --before;
    if (IsWordCharacter(DecodeUtf8Char(text.substr(before)).code_point)) return false;
  }
  return end == text.size() || !IsWordCharacter(DecodeUtf8Char(text.substr(end)).code_point);
}

}  // namespace

AddedTokensById IndexById(const std::vector<AddedToken>& tokens) {
  AddedTokensById map;
  for (const AddedToken& token : tokens) map[token.id] = token;
  return map;
}

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(MakeTrie(tokens_)) {}

std::vector<AddedTokenSplitter::Part> AddedTokenSplitter::Split(std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;  // everything before it is in `parts`
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    const AddedToken* token = nullptr;
    trie_.ForEachPrefix(text.substr(at), [&](size_t prefix_length, int32_t index) {
      length = prefix_length;
      token = &tokens_[static_cast<size_t>(index)];
    });
    if (token == nullptr) {
      ++at;
      continue;
    }
    if (token->single_word && !IsSingleWord(text, at, at + length)) {
      at += length;
      continue;
    }
    std::string_view before = text.substr(done, at - done);
    if (token->lstrip) before = StripRight(before);
    if (!before.empty()) parts.push_back({before, -1});
    size_t end = at + length;
    if (token->rstrip) end = text.size() - StripLeft(text.substr(end)).size();
    const size_t start = done + before.size();
    parts.push_back({text.substr(start, end - start), token->id});
    done = at = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

}  // namespace transept
