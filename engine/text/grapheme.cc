#include "engine/text/grapheme.h"

#include <algorithm>
#include <iterator>

#include "engine/text/grapheme_table.h"
#include "engine/text/utf8.h"

namespace transept {
namespace {

bool Contains(absl::Span<const CodePointRange> ranges, char32_t c) {
  const auto it =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, CodePointRange r) { return value < r.first; });
  return it != ranges.begin() && c <= std::prev(it)->last;
}

}  // namespace

size_t GraphemeClusterLength(std::string_view text) {
  // Most text: ASCII follows ASCII.
  if (text.size() == 1) return 1;
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (is_ascii(text[0]) && is_ascii(text[1])) return text[0] == '\r' && text[1] == '\n' ? 2 : 1;

  Utf8Char c = DecodeUtf8Char(text);
  size_t length = c.length;
  if (Contains(ControlRanges(), c.code_point)) return length;
  bool base_seen = !Contains(PrependRanges(), c.code_point);
  while (length < text.size()) {
    c = DecodeUtf8Char(text.substr(length));
    if (!Contains(ExtendingRanges(), c.code_point)) {
      if (base_seen || Contains(ControlRanges(), c.code_point)) break;
      base_seen = !Contains(PrependRanges(), c.code_point);
    }
    length += c.length;
  }
  return length;
}

}  // namespace transept
