#include "engine/text/charsmap.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/text/utf8.h"

namespace transept {
namespace {

uint32_t LittleEndian32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The fields of a double-array unit (the layout of the Darts-clone library).
bool HasLeaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t Value(uint32_t unit) {
  return unit & 0x7FFFFFFF;
}
uint32_t Label(uint32_t unit) {
  return unit & 0x800000FF;
}
uint32_t Offset(uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Parse(std::string_view bytes) {
  Charsmap map;
  if (bytes.empty()) return map;
  if (bytes.size() < 4) {
    return absl::InvalidArgumentError(
        absl::StrCat("precompiled_charsmap has ", bytes.size(), " bytes; at least 4 are needed"));
  }
  const uint32_t trie_size = LittleEndian32(bytes, 0);
  if (trie_size % 4 != 0 || trie_size > bytes.size() - 4) {
    return absl::InvalidArgumentError(
        absl::StrCat("precompiled_charsmap declares a trie of ", trie_size,
                     " bytes; it must be a multiple of 4 and at most ", bytes.size() - 4));
  }
  map.units_.reserve(trie_size / 4);
  for (size_t at = 4; at < 4 + size_t{trie_size}; at += 4) {
    map.units_.push_back(LittleEndian32(bytes, at));
  }
  map.replacements_ = bytes.substr(4 + size_t{trie_size});
  if (!IsValidUtf8(map.replacements_)) {
    return absl::InvalidArgumentError("precompiled_charsmap has replacements that are not UTF-8");
  }
  return map;
}

std::optional<Charsmap::Match> Charsmap::Find(std::string_view text, bool shortest) const {
  if (units_.empty()) return std::nullopt;
  std::optional<Match> found;
  uint32_t position = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    position ^= byte;
    // Label 0 marks values, so a zero byte has no edge.
    if (byte == 0 || position >= units_.size() || Label(units_[position]) != byte) break;
    const bool has_leaf = HasLeaf(units_[position]);
    position ^= Offset(units_[position]);
    if (!has_leaf || position >= units_.size()) continue;
    const uint32_t start = Value(units_[position]);
    if (start >= replacements_.size()) continue;
    found = Match{i + 1, std::string_view(replacements_.c_str() + start)};
    if (shortest) break;
  }
  return found;
}

}  // namespace transept
