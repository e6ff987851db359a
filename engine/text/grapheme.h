// Grapheme clusters: what a reader takes for one character.
#pragma once

#include <cstddef>
#include <string_view>

namespace transept {

// Bytes of the grapheme cluster that valid, non-empty UTF-8 starts with, by UAX #29's rules for
// line ends, controls, prepended and extending characters. The rules that join whole letters
// (Hangul, Indic conjuncts, emoji sequences, flags) are left out: they only make clusters of six
// bytes and more, which the one caller takes character by character anyhow.
size_t GraphemeClusterLength(std::string_view text);

}  // namespace transept
