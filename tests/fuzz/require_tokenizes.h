// What any tokenizer made of foreign files must do.
#pragma once

#include <string_view>

#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"
#include "engine/types/require.h"

namespace transept {

// Encodes hard text, and the `files` themselves as they hold the vocabulary's own pieces: all ids
// lie within the vocabulary and decode to UTF-8.
inline void RequireTokenizes(const Tokenizer& tokenizer, std::string_view files) {
  for (const std::string_view text :
       {files, std::string_view("▁a e\u0301\u0301  ½\r\n</s>\xFF 😀")}) {
    const auto ids = tokenizer.Encode(text);
    Require(ids.ok(), "text refused");
    for (const TokenId id : *ids) {
      Require(id >= 0 && id < tokenizer.vocab_size(), "id outside the vocabulary");
    }
    Require(IsValidUtf8(tokenizer.Decode(*ids)), "text that is not UTF-8");
  }
}

}  // namespace transept
