#include "engine/text/tokenizer.h"

namespace transept {

std::string Tokenizer::Decode(absl::Span<const TokenId> ids) const {
  const std::unique_ptr<IncrementalDetokenizer> detokenizer = NewDetokenizer();
  std::string text = detokenizer->Append(ids);
  text += detokenizer->Finish();
  return text;
}

}  // namespace transept
