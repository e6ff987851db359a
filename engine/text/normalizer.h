// Text to the form in which a vocabulary is looked up.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/byte_trie.h"
#include "engine/text/charsmap.h"
#include "engine/text/grapheme.h"

namespace transept {

// Takes and returns valid UTF-8. Immutable and thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual std::string Normalize(std::string_view text) const = 0;
};

// U+2581, the vocabulary's sign for a space.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// What SentencePiece does: the longest rule of the map at each place, but for what is `kept`, of
// which the longest stays as it is; spaces become space marks.
struct SentencePieceNormalizerOptions {
  Charsmap charsmap;
  ByteTrie kept = {};
  bool add_dummy_prefix = true;          // one space mark before the text
  bool remove_extra_whitespaces = true;  // spaces at both ends, and all but one of a run
};
std::unique_ptr<Normalizer> MakeSentencePieceNormalizer(SentencePieceNormalizerOptions options);

// The kinds below are those of tokenizer.json.

// The map applied to each grapheme cluster of less than six bytes as a whole, of which the shortest
// rule then replaces all, and to each character of a longer one.
std::unique_ptr<Normalizer> MakePrecompiledNormalizer(Charsmap charsmap, GraphemeRules graphemes);

// Every occurrence of `pattern`, which must not be empty.
std::unique_ptr<Normalizer> MakeReplaceNormalizer(std::string pattern, std::string replacement);

// Every run of two or more spaces.
std::unique_ptr<Normalizer> MakeSpaceRunNormalizer(std::string replacement);

// White space at the ends.
std::unique_ptr<Normalizer> MakeStripNormalizer(bool left, bool right);

// One after the other; none leaves the text as it is.
std::unique_ptr<Normalizer> MakeSequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps);

}  // namespace transept
