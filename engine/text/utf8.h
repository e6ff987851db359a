// UTF-8, as far as tokenizers and the client need it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace transept {

struct Utf8Char {
  char32_t code_point = 0;  // U+FFFD when not valid
  // Bytes taken, >= 1. When not valid: as many as a decoder replaces by one U+FFFD (the longest
  // start of a well-formed character, or one byte).
  size_t length = 1;
  bool valid = false;
  // Not valid, but more bytes could make it so: the text ends inside a character.
  bool incomplete = false;
};

// The character at the start of `text`, which must not be empty.
Utf8Char DecodeUtf8Char(std::string_view text);

bool IsValidUtf8(std::string_view text);

// `text` with everything ill-formed replaced by U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view text);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// Unicode's White_Space property.
bool IsWhitespace(char32_t c);

// `text` without the white space at its start or its end.
std::string_view StripLeft(std::string_view text);
std::string_view StripRight(std::string_view text);

}  // namespace transept
