// One side of a Marian tokenizer: a text may begin with a language's code, such as ">>fra<<".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/added_tokens.h"
#include "engine/text/mapped_model.h"
#include "engine/text/tokenizer.h"

namespace transept {

class MarianTokenizer final : public Tokenizer {
 public:
  struct Options {
    std::unique_ptr<const Tokenizer> pieces;  // text without codes; adds nothing to it
    std::vector<AddedToken> added_tokens;     // as `pieces` has them
    absl::flat_hash_map<std::string, TokenId> codes;
    TokenId unknown_id = 0;
  };

  explicit MarianTokenizer(Options options);

  // A code that is none of the vocabulary's is one unknown token.
  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override;
  // Codes stand in sources alone.
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override {
    return options_.pieces->EncodeInside(text);
  }
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return options_.pieces->NewDetokenizer();
  }
  std::string Piece(TokenId id) const override { return options_.pieces->Piece(id); }
  int32_t vocab_size() const override { return options_.pieces->vocab_size(); }

 private:
  const Options options_;
  const AddedTokenSplitter splitter_;
};

// The code that `text` begins with, from ">>" to the first "<<"; "" if there is none.
std::string_view LeadingCode(std::string_view text);

}  // namespace transept
