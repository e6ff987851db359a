#include "client/input.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/text/utf8.h"

namespace transept::client {

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
    const Utf8Char character = DecodeUtf8Char(text.substr(i));
    if (!character.valid) return i;
    i += character.length;
  }
  return std::nullopt;
}

}  // namespace transept::client
