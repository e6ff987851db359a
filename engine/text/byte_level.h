// GPT-2's way with text: it is cut into words at changes of the kind of character, and each byte of
// a word stands as one printable character.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace transept {

// Calls `visit` for each word of `text`, valid UTF-8, in order; together they are the text. A word
// is an English contraction's end, or a run of letters, of numbers or of other characters, with one
// space before it or not, or a run of white space. What letters and numbers are says ICU's Unicode
// version. Time is linear in the text.
void ForEachGpt2Word(std::string_view text, absl::FunctionRef<void(std::string_view)> visit);

// Appends the characters for `bytes`, one each: itself for a visible character of Latin-1, U+0100
// and on for the others. A space becomes "Ġ".
void AppendByteCharacters(std::string_view bytes, std::string* characters);

// Appends the bytes that `characters` stand for. Where one of them stands for none, all of them are
// taken as they are.
void AppendCharacterBytes(std::string_view characters, std::string* bytes);

}  // namespace transept
