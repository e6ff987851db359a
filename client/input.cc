#include "client/input.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace transept::client {
namespace {

// The length of the character that `text`, not empty, starts with; 0 if it starts with none.
size_t CharacterLength(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  // Longer than needed, a surrogate, or beyond the last code point.
  const unsigned char min = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char max = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (second < min || second > max) return 0;
  const std::string_view rest = text.substr(2, length - 2);
  const bool complete = std::all_of(rest.begin(), rest.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
  });
  return complete ? length : 0;
}

}  // namespace

absl::StatusOr<v1::TokenIds> ParseIds(const std::string& text) {
  v1::TokenIds ids;
  for (absl::string_view part : absl::StrSplit(text, absl::ByAnyChar(", "), absl::SkipEmpty())) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(part, &id)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", part, "\" is no token id; ids are written as in 1,2,3"));
    }
    ids.add_ids(id);
  }
  return ids;
}

absl::StatusOr<v1::Input> ToInput(const std::string& text, bool ids) {
  v1::Input input;
  if (!ids) {
    input.set_text(text);
    return input;
  }
  auto tokens = ParseIds(text);
  if (!tokens.ok()) return tokens.status();
  *input.mutable_tokens() = *std::move(tokens);
  return input;
}

std::optional<size_t> FindNotUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace transept::client
