#include "engine/text/byte_level.h"

#include <unicode/uchar.h>

#include <array>
#include <cstdint>
#include <initializer_list>

#include "engine/text/utf8.h"

namespace transept {
namespace {

enum class Kind { kLetter, kNumber, kSpace, kOther };

Kind KindOf(char32_t c) {
  if (IsWhitespace(c)) return Kind::kSpace;
  const uint32_t category = U_MASK(u_charType(static_cast<UChar32>(c)));
  if ((category & U_GC_L_MASK) != 0) return Kind::kLetter;
  return (category & U_GC_N_MASK) != 0 ? Kind::kNumber : Kind::kOther;
}

// The end of the run of characters of one kind that starts at `at`.
size_t RunEnd(std::string_view text, size_t at, Kind kind) {
  while (at < text.size()) {
    const Utf8Char c = DecodeUtf8Char(text.substr(at));
    if (KindOf(c.code_point) != kind) break;
    at += c.length;
  }
  return at;
}

size_t ContractionLength(std::string_view text) {
  for (const std::string_view end : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.starts_with(end)) return end.size();
  }
  return 0;
}

// The length of the white space that `text` starts with, but for its last character where a word
// follows: that is a word of its own, or the word's space.
size_t SpaceLength(std::string_view text) {
  size_t end = 0, last = 0;
  while (end < text.size()) {
    const Utf8Char c = DecodeUtf8Char(text.substr(end));
    if (!IsWhitespace(c.code_point)) return last > 0 ? last : end;
    last = end;
    end += c.length;
  }
  return end;
}

// Of the first word of `text`, which is not empty.
size_t WordLength(std::string_view text) {
  if (const size_t length = ContractionLength(text); length > 0) return length;
  const size_t start = text.starts_with(' ') && text.size() > 1 ? 1 : 0;
  const Kind kind = KindOf(DecodeUtf8Char(text.substr(start)).code_point);
  return kind == Kind::kSpace ? SpaceLength(text) : RunEnd(text, start, kind);
}

// The character of the first byte that is not visible as it is.
constexpr uint32_t kFirstSubstitute = 0x100;

constexpr bool IsVisible(uint32_t byte) {
  return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
}

constexpr std::array<uint16_t, 256> MakeCharacters() {
  std::array<uint16_t, 256> characters{};
  uint32_t next = kFirstSubstitute;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    characters[byte] = static_cast<uint16_t>(IsVisible(byte) ? byte : next++);
  }
  return characters;
}

// [byte]: its character.
constexpr std::array<uint16_t, 256> kCharacters = MakeCharacters();

// [character]: its byte, or -1.
constexpr std::array<int16_t, 2 * kFirstSubstitute> MakeBytes() {
  std::array<int16_t, 2 * kFirstSubstitute> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  for (uint32_t byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}

constexpr std::array<int16_t, 2 * kFirstSubstitute> kBytes = MakeBytes();

}  // namespace

void ForEachGpt2Word(std::string_view text, absl::FunctionRef<void(std::string_view)> visit) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, WordLength(text));
    visit(word);
    text.remove_prefix(word.size());
  }
}

void AppendByteCharacters(std::string_view bytes, std::string* characters) {
  for (const char byte : bytes) {
    const uint16_t c = kCharacters[static_cast<uint8_t>(byte)];
    if (c >= 0x80) {
      *characters += static_cast<char>(0xC0 | c >> 6);
      *characters += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      *characters += static_cast<char>(c);
    }
  }
}

void AppendCharacterBytes(std::string_view characters, std::string* bytes) {
  const size_t size_before = bytes->size();
  for (std::string_view rest = characters; !rest.empty();) {
    const Utf8Char c = DecodeUtf8Char(rest);
    const int16_t byte = c.code_point < kBytes.size() ? kBytes[c.code_point] : int16_t{-1};
    if (byte < 0) {
      bytes->resize(size_before);
      *bytes += characters;
      return;
    }
    *bytes += static_cast<char>(byte);
    rest.remove_prefix(c.length);
  }
}

}  // namespace transept
