#include "engine/text/utf8.h"

#include <algorithm>
#include <cstdint>

namespace transept {
namespace {

uint8_t Byte(std::string_view text, size_t i) {
  return static_cast<uint8_t>(text[i]);
}

// What a lead byte promises. The second byte's range excludes overlong forms, surrogates and
// everything past U+10FFFF.
struct Lead {
  size_t length;
  uint8_t second_min;
  uint8_t second_max;
};

Lead LeadOf(uint8_t b) {
  if (b < 0x80) return {1, 0, 0};
  if (b < 0xC2) return {0, 0, 0};
  if (b < 0xE0) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};
  if (b < 0xF0) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b < 0xF4) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Char DecodeUtf8Char(std::string_view text) {
  constexpr char32_t kReplacement = 0xFFFD;
  const uint8_t first = Byte(text, 0);
  const Lead lead = LeadOf(first);
  if (lead.length == 1) return {first, 1, true, false};
  if (lead.length == 0) return {kReplacement, 1, false, false};
  char32_t code_point = first & (0xFF >> (lead.length + 1));
  for (size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {kReplacement, i, false, true};
    const uint8_t b = Byte(text, i);
    const uint8_t min = i == 1 ? lead.second_min : 0x80;
    const uint8_t max = i == 1 ? lead.second_max : 0xBF;
    if (b < min || b > max) return {kReplacement, i, false, false};
    code_point = code_point << 6 | (b & 0x3F);
  }
  return {code_point, lead.length, true, false};
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    if (!c.valid) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    result.append(c.valid ? text.substr(0, c.length) : kReplacementCharacter);
    text.remove_prefix(c.length);
  }
  return result;
}

bool IsWhitespace(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string_view StripLeft(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    if (!IsWhitespace(c.code_point)) break;
    text.remove_prefix(c.length);
  }
  return text;
}

std::string_view StripRight(std::string_view text) {
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (Byte(text, start) & 0xC0) == 0x80) --start;
    if (!IsWhitespace(DecodeUtf8Char(text.substr(start)).code_point)) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

}  // namespace transept
