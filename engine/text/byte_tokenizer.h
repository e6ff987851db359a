// ByT5's tokenizer: a token for each byte of UTF-8.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/added_tokens.h"
#include "engine/text/tokenizer.h"

namespace transept {

class ByteTokenizer final : public Tokenizer {
 public:
  // Ids 0 to 2 are "<pad>", "</s>" and "<unk>", a byte b is 3 + b, and 125 sentinels follow unless
  // `tokenizer_config` says otherwise (its extra_ids, added_tokens_decoder and
  // clean_up_tokenization_spaces).
  static absl::StatusOr<std::unique_ptr<ByteTokenizer>> Create(
      const JsonDocument& tokenizer_config);

  // EOS follows unless the text ends with it.
  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override;
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override;
  // Bytes that do not make up UTF-8 are dropped.
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override;
  std::string Piece(TokenId id) const override;
  int32_t vocab_size() const override { return vocab_size_; }

 private:
  class Detokenizer;

  ByteTokenizer(const std::vector<AddedToken>& added_tokens, bool clean_up_spaces);

  const AddedTokensById added_tokens_;
  const AddedTokenSplitter splitter_;
  const bool clean_up_spaces_;
  const int32_t vocab_size_;
};

}  // namespace transept
