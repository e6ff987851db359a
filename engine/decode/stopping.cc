#include "engine/decode/stopping.h"

#include <algorithm>

namespace transept {

StoppingRules::StoppingRules(const DecodeParams* params, const Tokenizer* tokenizer)
    : params_(params) {
  if (!params->stop_sequences.empty()) text_.emplace(tokenizer, params->stop_sequences);
}

std::optional<FinishReason> StoppingRules::Append(TokenId token) {
  ++generated_;
  const std::vector<TokenId>& eos = params_->eos_tokens;
  if (std::find(eos.begin(), eos.end(), token) != eos.end()) return FinishReason::kEos;
  if (text_) {
    text_->Append(absl::MakeConstSpan(&token, 1));
    if (text_->stopped()) return FinishReason::kStopSequence;
  }
  if (generated_ >= params_->max_new_tokens) return FinishReason::kLength;
  return std::nullopt;
}

}  // namespace transept
