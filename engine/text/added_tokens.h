// Tokens that are looked for in the text before anything else, such as "</s>" and "<extra_id_0>".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/text/byte_trie.h"
#include "engine/types/model_spec.h"

namespace transept {

// The fields of transformers' AddedToken.
struct AddedToken {
  TokenId id = 0;
  std::string content;       // UTF-8, not empty
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool single_word = false;  // only where no word character stands next to it
  bool normalized = false;   // looked for in normalized text
  bool special = false;      // left out of decoded text
};

using AddedTokensById = absl::flat_hash_map<TokenId, AddedToken>;
// Of tokens with the same id the last one counts.
AddedTokensById IndexById(const std::vector<AddedToken>& tokens);

// Immutable and thread-safe.
class AddedTokenSplitter {
 public:
  struct Part {
    std::string_view text;  // never empty; of the text that was split
    TokenId id = -1;        // -1: ordinary text
  };

  AddedTokenSplitter() = default;
  explicit AddedTokenSplitter(std::vector<AddedToken> tokens);

  // The parts of `text`, valid UTF-8, in order. At each place the longest token counts.
  std::vector<Part> Split(std::string_view text) const;

 private:
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // indices into tokens_
};

}  // namespace transept
