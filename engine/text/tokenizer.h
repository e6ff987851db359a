// Text to token ids and back.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/types/model_spec.h"

namespace transept {

// Immutable and thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids the encoder gets for `text` (valid or invalid UTF-8), EOS and other special tokens
  // included: exactly transformers' ids.
  virtual absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const = 0;

  // The text of `ids`, special tokens skipped. Ids outside the vocabulary are skipped too.
  virtual std::string Decode(absl::Span<const TokenId> ids) const = 0;

  // The vocabulary's own string for `id`, such as "▁the"; "" when there is none.
  virtual std::string Piece(TokenId id) const = 0;

  // Ids the tokenizer can produce are in [0, vocab_size()). A model's vocabulary may be larger.
  virtual int32_t vocab_size() const = 0;
};

// Decodes a growing token sequence into text deltas: each holds whole UTF-8 characters only, and
// their concatenation equals Decode of all tokens. Not thread-safe.
class IncrementalDetokenizer {
 public:
  // `tokenizer` must outlive this object.
  explicit IncrementalDetokenizer(const Tokenizer* tokenizer) : tokenizer_(*tokenizer) {}

  // The text that `ids` add. What could still change is held back.
  std::string Append(absl::Span<const TokenId> ids);
  // The rest that was held back. No Append may follow.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  std::vector<TokenId> pending_;  // tokens whose text is not final
  std::string emitted_;           // text of pending_ that has been returned already
};

}  // namespace transept
