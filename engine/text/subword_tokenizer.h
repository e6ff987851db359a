// A tokenizer with a vocabulary of subwords, whichever file it came from.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/text/added_tokens.h"
#include "engine/text/normalizer.h"
#include "engine/text/subword_model.h"
#include "engine/text/tokenizer.h"

namespace transept {

// GPT-2's words, each byte of which becomes a character.
struct ByteLevelRules {
  bool prefix_space = false;  // before each part that doesn't start with a space
  bool split = true;          // false: a part is one word
};

// How normalized text becomes words, which the model then segments one by one.
struct WordRules {
  enum class Prefix { kNever, kFirst, kAlways };  // kFirst: only where the whole text starts

  bool split_at_white_space = false;  // which is dropped
  bool mark_spaces = false;           // spaces become space marks, and the next two fields apply
  Prefix prefix = Prefix::kNever;     // a space mark before each part that doesn't start with one
  bool split_at_space_marks = false;  // each mark starts a word

  std::optional<ByteLevelRules> byte_level;  // in place of all of the above
};

// How the strings of tokens become text.
struct DecodingRules {
  // What stands at the very start of the text.
  enum class Start {
    kKeep,
    kDropFirstTokensMarks,  // all space marks of the first token
    kDropOneSpace,
  };
  enum class Bytes {
    kAsWritten,    // "<0x41>" stays that
    kWholeRun,     // a run that isn't UTF-8 becomes one U+FFFD for each byte; held back to its end
    kByCharacter,  // only what is not UTF-8 within a run does
    kAll,          // all characters stand for bytes; what is not UTF-8 becomes U+FFFD as usual
  };

  Start start = Start::kDropFirstTokensMarks;
  Bytes bytes = Bytes::kAsWritten;
  bool strip_ends = false;  // of white space
  bool clean_up_spaces = false;
};

// Everything that a tokenizer file says.
struct SubwordTokenizerOptions {
  std::unique_ptr<const SubwordModel> model;  // never null
  std::vector<AddedToken> added_tokens;
  std::unique_ptr<Normalizer> normalizer;  // never null
  WordRules words;
  std::vector<TokenId> prefix_tokens;  // before and after every text
  std::vector<TokenId> suffix_tokens;
  DecodingRules decoding;
  // False: transformers does not, whatever clean_up_tokenization_spaces says.
  bool may_clean_up_spaces = true;
};

class SubwordTokenizer final : public Tokenizer {
 public:
  explicit SubwordTokenizer(SubwordTokenizerOptions options);

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override;
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override;
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override;
  std::string Piece(TokenId id) const override;
  int32_t vocab_size() const override { return vocab_size_; }

 private:
  void EncodeByteLevel(std::string_view part, WordEncoder* encoder,
                       std::vector<TokenId>* ids) const;
  void EncodePart(std::string_view part, bool at_start, WordEncoder* encoder,
                  std::vector<TokenId>* ids) const;

  const std::unique_ptr<const SubwordModel> model_;
  const AddedTokensById added_tokens_;
  const AddedTokenSplitter raw_splitter_;  // tokens looked for in the text as it comes
  const std::unique_ptr<Normalizer> normalizer_;
  const AddedTokenSplitter normalized_splitter_;  // and in normalized text
  const WordRules words_;
  const std::vector<TokenId> prefix_tokens_;
  const std::vector<TokenId> suffix_tokens_;
  const DecodingRules decoding_;
  const int32_t vocab_size_;
};

}  // namespace transept
