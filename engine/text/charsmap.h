// SentencePiece's precompiled character map: the normalisation rules of a model, such as NFKC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace transept {

// Immutable and thread-safe. Safe to use whatever the bytes that it was read from: a damaged map
// matches less or something else, but never reads out of bounds.
class Charsmap {
 public:
  struct Match {
    size_t length;                 // bytes of the text that the rule covers
    std::string_view replacement;  // lives as long as the map
  };

  // A map without rules.
  Charsmap() = default;

  // Reads the bytes of `precompiled_charsmap`: the size of a double-array trie, the trie, then
  // the replacements, each ended by a zero byte. Empty bytes are a map without rules.
  static absl::StatusOr<Charsmap> Parse(std::string_view bytes);

  // The rule for the shortest or longest start of `text` that has one.
  std::optional<Match> Shortest(std::string_view text) const { return Find(text, true); }
  std::optional<Match> Longest(std::string_view text) const { return Find(text, false); }

 private:
  std::optional<Match> Find(std::string_view text, bool shortest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace transept
