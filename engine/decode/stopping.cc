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
  const bool is_eos = std::find(eos.begin(), eos.end(), token) != eos.end();
  if (text_ && !is_eos) {
    text_->Append(absl::MakeConstSpan(&token, 1));
    if (text_->stopped()) return FinishReason::kStopSequence;
  }
  if (is_eos) return End(FinishReason::kEos);
  if (generated_ >= params_->max_new_tokens) return End(FinishReason::kLength);
  return std::nullopt;
}

// The text's end may bring out what the stream held back, and a stop sequence with it.
FinishReason StoppingRules::End(FinishReason reason) {
  if (!text_) return reason;
  text_->Finish();
  return text_->stopped() ? FinishReason::kStopSequence : reason;
}

}  // namespace transept
