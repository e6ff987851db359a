#include "engine/request_check.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/types/errors.h"

namespace transept {
namespace {

absl::Status CheckTokens(std::string_view field, absl::Span<const TokenId> tokens,
                         int32_t vocab_size) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab_size) continue;
    return FieldError(
        absl::StrCat(absl::string_view(field.data(), field.size()), ".tokens.ids[", i, "]"),
        absl::StrCat(tokens[i], " is not in the vocabulary [0, ", vocab_size, ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckGeneration(const Request& request, const RequestLimits& limits) {
  const DecodeParams& params = request.params;
  if (request.target_prefix.size() > size_t(limits.max_prefix_tokens)) {
    return FieldError("target_prefix",
                      absl::StrCat(request.target_prefix.size(), " tokens; at most ",
                                   limits.max_prefix_tokens, " are accepted"));
  }
  if (params.max_new_tokens < 1 || params.max_new_tokens > limits.max_new_tokens) {
    return FieldError(
        "options.max_new_tokens",
        absl::StrCat(params.max_new_tokens, " is outside [1, ", limits.max_new_tokens, "]"));
  }
  if (params.top_logprobs < 0 || params.top_logprobs > kMaxTopLogprobs) {
    return FieldError("output.top_logprobs",
                      absl::StrCat(params.top_logprobs, " is outside [0, ", kMaxTopLogprobs, "]"));
  }
  return CheckTokens("target_prefix", request.target_prefix, limits.vocab_size);
}

absl::Status CheckTargets(const Request& request, const RequestLimits& limits) {
  for (size_t i = 0; i < request.targets.size(); ++i) {
    const std::string field = absl::StrCat("targets[", i, "]");
    const std::vector<TokenId>& target = request.targets[i];
    if (target.empty()) return FieldError(field, "is empty");
    if (target.size() > size_t(limits.max_scored_tokens)) {
      return FieldError(field, absl::StrCat(target.size(), " tokens; at most ",
                                            limits.max_scored_tokens, " are accepted"));
    }
    absl::Status status = CheckTokens(field, target, limits.vocab_size);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRequest(const Request& request, const RequestLimits& limits) {
  if (request.source.empty()) return FieldError("source", "is empty");
  if (request.source.size() > size_t(limits.max_source_tokens)) {
    return FieldError("source", absl::StrCat(request.source.size(), " tokens; at most ",
                                             limits.max_source_tokens, " are accepted"));
  }
  if (request.decoder_start &&
      (*request.decoder_start < 0 || *request.decoder_start >= limits.vocab_size)) {
    return FieldError("target_language",
                      absl::StrCat("its token ", *request.decoder_start,
                                   " is not in the vocabulary [0, ", limits.vocab_size, ")"));
  }
  absl::Status status = CheckTokens("source", request.source, limits.source_vocab_size);
  if (request.scores()) {
    status.Update(CheckTargets(request, limits));
  } else if (!request.pooling) {
    status.Update(CheckGeneration(request, limits));
  }
  if (!request.target_prefix.empty() && (request.scores() || request.pooling)) {
    status.Update(FieldError("target_prefix", "is not for requests that are scored or encoded"));
  }
  return status;
}

}  // namespace transept
