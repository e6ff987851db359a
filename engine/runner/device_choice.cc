#include "engine/runner/device_choice.h"

namespace transept {

bool ChoosesOnDevice(const DecodeParams& params, int64_t max_bans) {
  const size_t bans = params.suppress_tokens.size() + params.begin_suppress_tokens.size() +
                      (params.min_new_tokens > 0 ? params.eos_tokens.size() : 0);
  return !params.do_sample && params.repetition_penalty == 1.0f &&
         params.no_repeat_ngram_size == 0 && !params.forced_bos_token.has_value() &&
         !params.forced_eos_token.has_value() && params.top_logprobs == 0 &&
         static_cast<int64_t>(bans) <= max_bans;
}

void AppendBans(const RowPlan& row, int64_t max_bans, std::vector<int32_t>* bans) {
  const DecodeParams& params = *row.params;
  const size_t end = bans->size() + max_bans;
  const size_t pending = row.tokens.empty() ? 1 : 0;
  const auto generated = static_cast<int32_t>(row.history.size() + pending) - row.prompt_length;
  const auto add = [&](const std::vector<TokenId>& tokens) {
    bans->insert(bans->end(), tokens.begin(), tokens.end());
  };
  add(params.suppress_tokens);
  if (generated == 0) add(params.begin_suppress_tokens);
  if (generated < params.min_new_tokens) add(params.eos_tokens);
  bans->resize(end, -1);
}

}  // namespace transept
