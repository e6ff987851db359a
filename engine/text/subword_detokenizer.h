// The tokens of a SubwordTokenizer back to text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/text/subword_tokenizer.h"

namespace transept {

class SubwordDetokenizer final : public IncrementalDetokenizer {
 public:
  // Both must outlive this object.
  SubwordDetokenizer(const SubwordModel* model, const AddedTokensById* added_tokens,
                     DecodingRules rules);

  std::string Append(absl::Span<const TokenId> ids) override;
  std::string Finish() override;
  std::unique_ptr<IncrementalDetokenizer> Clone() const override {
    return std::make_unique<SubwordDetokenizer>(*this);
  }

 private:
  // The string of `id`; nullopt when it is special or unknown to the vocabulary.
  std::optional<std::string_view> TextOf(TokenId id) const;
  void AppendToken(std::string_view token, std::string* text);
  // Moves finished characters from the run of byte tokens to `text`; all of it if the run ends.
  void TakeBytes(bool run_ends, std::string* text);
  // Takes the space that Start::kDropOneSpace drops from the text's first characters.
  void DropFirstSpace(std::string* text);

  const SubwordModel& model_;
  const AddedTokensById& added_tokens_;
  const DecodingRules rules_;
  bool first_token_ = true;
  bool drop_space_;    // no text has come yet whose first space to drop
  std::string bytes_;  // of byte tokens, not yet text
};

}  // namespace transept
