#include "server/request_languages.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/text/languages.h"
#include "engine/types/errors.h"

namespace transept::server {
namespace {

const Languages* LanguagesOf(const Model& model) {
  return model.tokenizer == nullptr ? nullptr : model.tokenizer->languages();
}

// The token of `language`, which is not "".
absl::StatusOr<TokenId> FindLanguage(const std::string& language, std::string_view field,
                                     const Model& model) {
  const Languages* languages = LanguagesOf(model);
  if (languages == nullptr) {
    const char* why = model.tokenizer == nullptr ? ": it is served without its tokenizer" : "";
    return FieldError(field, absl::StrCat("model ", model.name, " takes no language", why));
  }
  const auto token = languages->Find(language);
  if (!token.ok()) return FieldError(field, std::string(token.status().message()));
  return *token;
}

bool IsLanguage(const Languages& languages, TokenId token) {
  return std::any_of(languages.tokens.begin(), languages.tokens.end(),
                     [token](const auto& language) { return language.second == token; });
}

// Token ids are used exactly as given, so that a language can't have an effect on them.
absl::Status NoEffect(std::string_view field, std::string_view tokens, TokenId token) {
  return FieldError(field, absl::StrCat("has no effect on ", std::string(tokens),
                                        "; the language's token is ", token));
}

// The first token that the options force, by order of precedence.
std::optional<TokenId> ForcedByOptions(const LanguageFields& request, const Model& model) {
  if (request.options.has_forced_bos_token_id()) {
    return request.options.forced_bos_token_id();
  }
  for (const GenerationOptions* options : {&model.server_defaults, &model.checkpoint_defaults}) {
    if (options->forced_bos_token_id) return options->forced_bos_token_id;
  }
  return std::nullopt;
}

// What a language that the request names does to its output.
absl::Status ApplyTarget(const LanguageFields& request, TokenId token, const Languages& languages,
                         RequestLanguages* result) {
  switch (languages.target_mark) {
    case TargetMark::kSource:
      if (request.source.has_tokens()) return NoEffect("target_language", "source.tokens", token);
      break;
    case TargetMark::kDecoderStart: result->decoder_start = token; break;
    case TargetMark::kFirstToken:
      if (!request.target_prefix.tokens().ids().empty()) {
        return NoEffect("target_language", "target_prefix.tokens", token);
      }
      if (request.options.has_forced_bos_token_id() &&
          request.options.forced_bos_token_id() != token) {
        return FieldError("options.forced_bos_token_id",
                          absl::StrCat(request.options.forced_bos_token_id(),
                                       " contradicts target_language, whose token is ", token));
      }
      result->first_token = token;
      break;
  }
  return absl::OkStatus();
}

// What the folder says of the output's language, of which the request says nothing.
void ApplyDefaultTarget(const LanguageFields& request, const Model& model,
                        const Languages& languages, RequestLanguages* result) {
  if (languages.target_mark == TargetMark::kFirstToken) {
    if (const auto forced = ForcedByOptions(request, model)) {
      if (IsLanguage(languages, *forced)) result->first_token = forced;
      return;
    }
  }
  if (languages.target.empty()) return;
  const TokenId token = languages.tokens.find(languages.target)->second;
  if (languages.target_mark == TargetMark::kFirstToken) result->first_token = token;
  const bool starts_with_language = IsLanguage(languages, model.engine->spec().decoder_start_token);
  if (languages.target_mark == TargetMark::kDecoderStart && !starts_with_language) {
    result->decoder_start = token;
  }
}

// Of an output that begins as `result` says.
std::optional<TokenId> OutputLanguage(const RequestLanguages& result, const Languages& languages,
                                      const Model& model) {
  if (languages.target_mark != TargetMark::kDecoderStart) return result.first_token;
  const TokenId start = result.decoder_start.value_or(model.engine->spec().decoder_start_token);
  return IsLanguage(languages, start) ? std::optional(start) : std::nullopt;
}

}  // namespace

absl::StatusOr<RequestLanguages> ReadLanguages(const LanguageFields& request, const Model& model) {
  absl::Status status = CheckSourceLanguage(request.source_language, model);
  if (!status.ok()) return status;
  RequestLanguages result;
  result.of_text = {request.source_language, request.target_language};
  const Languages* languages = LanguagesOf(model);
  if (!request.source_language.empty() && request.source.has_tokens()) {
    return NoEffect("source_language", "source.tokens", *languages->Find(request.source_language));
  }
  if (!request.target_language.empty()) {
    const auto token = FindLanguage(request.target_language, "target_language", model);
    if (!token.ok()) return token.status();
    status = ApplyTarget(request, *token, *languages, &result);
    if (!status.ok()) return status;
  } else if (languages != nullptr && request.source.has_text()) {
    ApplyDefaultTarget(request, model, *languages, &result);
  }
  if (languages != nullptr) result.of_output = OutputLanguage(result, *languages, model);
  return result;
}

absl::Status CheckSourceLanguage(const std::string& language, const Model& model) {
  if (language.empty()) return absl::OkStatus();
  const Languages* languages = LanguagesOf(model);
  if (languages != nullptr && !languages->mark_source) {
    return FieldError("source_language",
                      absl::StrCat("model ", model.name, " takes no language of the source"));
  }
  return FindLanguage(language, "source_language", model).status();
}

}  // namespace transept::server
