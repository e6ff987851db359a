#include "server/request_reader.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/decode/options.h"
#include "engine/types/errors.h"
#include "server/request_languages.h"

namespace transept::server {
namespace {

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

absl::Status CheckInputSize(const v1::Input& input, std::string_view field, const Model& model) {
  if (input.has_text()) {
    return CheckTextSize(input.text(), absl::StrCat(View(field), ".text"), model);
  }
  const int size = input.tokens().ids_size();
  if (size <= model.config.max_source_tokens) return absl::OkStatus();
  return FieldError(
      absl::StrCat(View(field), ".tokens"),
      absl::StrCat("has ", size, " tokens; at most ", model.config.max_source_tokens));
}

absl::Status CheckHasTokenizer(std::string_view field, const Model& model) {
  if (model.tokenizer != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(View(field), ": model ", model.name, " has no tokenizer; send token ids"));
}

absl::StatusOr<std::vector<TokenId>> ReadSource(const v1::GenerateRequest& request,
                                                const LanguagePair& languages, const Model& model) {
  if (!request.has_source()) return FieldError("source", "required");
  const v1::Input& source = request.source();
  switch (source.kind_case()) {
    case v1::Input::kText:
      if (source.text().empty()) return FieldError("source.text", "is empty");
      return ReadText(source.text(), "source.text", languages, model);
    case v1::Input::kTokens:
      if (source.tokens().ids().empty()) return FieldError("source.tokens", "is empty");
      return ReadTokens(source.tokens(), "source.tokens", model);
    case v1::Input::KIND_NOT_SET: break;
  }
  return FieldError("source", "one of text and tokens is required");
}

// A prefix that is text, after the token that the output begins with if there is one. It must not
// end the output before it has begun, hence no EOS.
absl::StatusOr<std::vector<TokenId>> ReadPrefixText(const std::string& text,
                                                    std::optional<TokenId> first_token,
                                                    const Model& model) {
  if (absl::Status status = CheckHasTokenizer("target_prefix.text", model); !status.ok()) {
    return status;
  }
  auto prefix = model.tokenizer->EncodeTarget(text);
  if (!prefix.ok() || prefix->empty()) return prefix;
  const std::vector<TokenId>& eos = model.engine->spec().eos_tokens;
  if (std::find(eos.begin(), eos.end(), prefix->back()) != eos.end()) prefix->pop_back();
  if (first_token && !prefix->empty()) prefix->insert(prefix->begin(), *first_token);
  return prefix;
}

// The prefix may be empty.
absl::StatusOr<std::vector<TokenId>> ReadTargetPrefix(const v1::GenerateRequest& request,
                                                      const RequestLanguages& languages,
                                                      const Model& model) {
  if (!request.has_target_prefix()) return std::vector<TokenId>();
  const v1::Input& prefix = request.target_prefix();
  switch (prefix.kind_case()) {
    case v1::Input::kText: return ReadPrefixText(prefix.text(), languages.first_token, model);
    case v1::Input::kTokens: return ReadTokens(prefix.tokens(), "target_prefix.tokens", model);
    case v1::Input::KIND_NOT_SET: break;
  }
  return FieldError("target_prefix", "one of text and tokens is required");
}

absl::Status CheckEnvelope(const v1::GenerateRequest& request, const Model& model) {
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    return FieldError("priority", absl::StrCat(request.priority(), " is not between ",
                                               -kMaxPriority, " and ", kMaxPriority));
  }
  const int32_t top = request.output().top_logprobs();
  if (top < 0 || top > kMaxTopLogprobs) {
    return FieldError("output.top_logprobs",
                      absl::StrCat(top, " is not between 0 and ", kMaxTopLogprobs));
  }
  return absl::OkStatus();
}

absl::StatusOr<DecodeParams> ReadOptions(const v1::GenerateRequest& request, const Model& model,
                                         int32_t target_prefix_length,
                                         std::optional<TokenId> first_token) {
  auto options = FromProto(request.options());
  if (!options.ok()) return options.status();
  if (first_token && target_prefix_length == 0) options->forced_bos_token_id = first_token;
  const std::array<const GenerationOptions*, 2> defaults = {&model.server_defaults,
                                                            &model.checkpoint_defaults};
  OptionContext context;
  context.target_prefix_length = target_prefix_length;
  if (!options->seed.has_value()) {
    std::random_device random;
    context.seed = uint64_t{random()} << 32 | random();
  }
  auto params = ResolveOptions(*options, defaults, LimitsOf(model), context);
  if (!params.ok()) return params;
  params->top_logprobs = request.output().top_logprobs();
  if (params->top_logprobs > 0 && params->beam_search()) {
    return FieldError(
        "output.top_logprobs",
        absl::StrCat(params->top_logprobs, " is not 0, as it must be with beam search ",
                     "(options.num_beams ", params->num_beams, ")"));
  }
  return params;
}

}  // namespace

absl::Status CheckRequestId(std::string_view request_id) {
  if (request_id.size() > kMaxRequestIdBytes) {
    return FieldError("request_id", absl::StrCat("has ", request_id.size(), " characters; at most ",
                                                 kMaxRequestIdBytes));
  }
  const auto allowed = [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           std::string_view("._:/+=@-").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!std::all_of(request_id.begin(), request_id.end(), allowed)) {
    return FieldError("request_id", "may hold A-Z a-z 0-9 . _ : / + = @ - only");
  }
  return absl::OkStatus();
}

OutputParts ReadOutputParts(const v1::GenerateRequest& request, const Model& model) {
  OutputParts parts;
  parts.tokens = request.output().tokens() || model.tokenizer == nullptr;
  parts.token_logprobs = request.output().token_logprobs();
  parts.top_logprobs = request.output().top_logprobs() > 0;
  return parts;
}

absl::Status CheckTextSize(const std::string& text, std::string_view field, const Model& model) {
  const size_t limit = kMaxTextBytesPerToken * model.config.max_source_tokens;
  if (text.size() <= limit) return absl::OkStatus();
  return FieldError(field, absl::StrCat("has ", text.size(), " bytes; at most ", limit));
}

absl::Status CheckSizes(const v1::GenerateRequest& request, const Model& model) {
  absl::Status status = CheckInputSize(request.source(), "source", model);
  status.Update(CheckInputSize(request.target_prefix(), "target_prefix", model));
  return status;
}

absl::StatusOr<Request> ReadRequest(const v1::GenerateRequest& request, const Model& model) {
  if (absl::Status status = CheckEnvelope(request, model); !status.ok()) return status;
  const auto languages = ReadLanguages(request, model);
  if (!languages.ok()) return languages.status();
  auto source = ReadSource(request, languages->of_text, model);
  if (!source.ok()) return source.status();
  auto prefix = ReadTargetPrefix(request, *languages, model);
  if (!prefix.ok()) return prefix.status();
  auto params =
      ReadOptions(request, model, static_cast<int32_t>(prefix->size()), languages->first_token);
  if (!params.ok()) return params.status();

  Request result;
  result.source = *std::move(source);
  result.decoder_start = languages->decoder_start;
  result.target_prefix = *std::move(prefix);
  result.params = *std::move(params);
  result.priority = request.priority();
  return result;
}

absl::StatusOr<std::vector<TokenId>> ReadText(const std::string& text, std::string_view field,
                                              const LanguagePair& languages, const Model& model) {
  if (absl::Status status = CheckHasTokenizer(field, model); !status.ok()) return status;
  return model.tokenizer->EncodeSource(text, languages);
}

absl::StatusOr<std::vector<TokenId>> ReadTokens(const v1::TokenIds& tokens, std::string_view field,
                                                const Model& model) {
  const ModelSpec& spec = model.engine->spec();
  const int32_t vocab_size = field == "source.tokens" ? spec.source_vocab_size() : spec.vocab_size;
  const auto& ids = tokens.ids();
  const auto bad =
      std::find_if(ids.begin(), ids.end(), [=](TokenId id) { return id < 0 || id >= vocab_size; });
  if (bad != ids.end()) {
    return FieldError(absl::StrCat(View(field), ".ids[", bad - ids.begin(), "]"),
                      absl::StrCat(*bad, " is not between 0 and ", vocab_size - 1));
  }
  return std::vector<TokenId>(ids.begin(), ids.end());
}

}  // namespace transept::server
