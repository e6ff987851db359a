#include "server/request_reader.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engine/decode/options.h"
#include "engine/text/languages.h"
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

// They are tokenized before their tokens can be counted.
absl::Status CheckBadWordsSize(const v1::Strings& words) {
  constexpr size_t kLimit = kMaxTextBytesPerToken * kMaxSequenceTokens;
  size_t bytes = 0;
  for (const std::string& word : words.values()) bytes += word.size() + 1;
  if (bytes <= kLimit) return absl::OkStatus();
  return FieldError("options.bad_words", absl::StrCat("has more than ", kLimit, " bytes in all"));
}

bool EndsWith(absl::Span<const TokenId> ids, absl::Span<const TokenId> end) {
  return ids.size() >= end.size() && ids.last(end.size()) == end;
}

absl::Status CheckHasTokenizer(std::string_view field, const Model& model) {
  if (model.tokenizer != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(View(field), ": model ", model.name, " has no tokenizer; send token ids"));
}

// The languages of a message; what it has no field for is not set.
template <typename Message>
LanguageFields LanguageFieldsOf(const Message& message) {
  const std::string* target = &v1::GenerateRequest::default_instance().target_language();
  const v1::Input* prefix = &v1::Input::default_instance();
  const v1::GenerationOptions* options = &v1::GenerationOptions::default_instance();
  if constexpr (requires { message.target_language(); }) target = &message.target_language();
  if constexpr (requires { message.target_prefix(); }) prefix = &message.target_prefix();
  if constexpr (requires { message.options(); }) options = &message.options();
  return {message.source_language(), *target, message.source(), *prefix, *options};
}

absl::StatusOr<std::vector<TokenId>> ReadSource(const v1::Input& source,
                                                const LanguagePair& languages, const Model& model) {
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

// What all kinds of requests have beside their ids: priority and source.
template <typename Message>
absl::StatusOr<Request> ReadCommon(const Message& message, const RequestLanguages& languages,
                                   const Model& model) {
  if (message.priority() < -kMaxPriority || message.priority() > kMaxPriority) {
    return FieldError("priority", absl::StrCat(message.priority(), " is not between ",
                                               -kMaxPriority, " and ", kMaxPriority));
  }
  if (!message.has_source()) return FieldError("source", "required");
  auto tokens = ReadSource(message.source(), languages.of_text, model);
  if (!tokens.ok()) return tokens.status();
  Request request;
  request.source = *std::move(tokens);
  request.decoder_start = languages.decoder_start;
  request.priority = message.priority();
  return request;
}

std::string TargetField(int index) {
  return absl::StrCat("targets[", index, "]");
}

// A target to be scored. Text becomes what transformers makes labels of it: with EOS and the token
// of the output's language, where there is one.
absl::StatusOr<std::vector<TokenId>> ReadTarget(const v1::Input& target, const std::string& field,
                                                std::optional<TokenId> language,
                                                const Model& model) {
  if (target.has_tokens()) return ReadTokens(target.tokens(), field + ".tokens", model);
  if (!target.has_text()) return FieldError(field, "one of text and tokens is required");
  if (absl::Status status = CheckHasTokenizer(field + ".text", model); !status.ok()) return status;
  auto tokens = model.tokenizer->EncodeTarget(target.text());
  if (!tokens.ok()) return tokens;
  const std::vector<TokenId>& eos = model.engine->spec().eos_tokens;
  const bool ends =
      !tokens->empty() && std::find(eos.begin(), eos.end(), tokens->back()) != eos.end();
  if (!ends) tokens->push_back(eos.front());
  if (!language) return tokens;
  if (model.tokenizer->languages()->place == LanguagePlace::kAfterEos) {
    tokens->push_back(*language);
  } else if (tokens->front() != *language) {
    tokens->insert(tokens->begin(), *language);
  }
  return tokens;
}

// Whether the decoder is fed labels shifted round, so that the last one is its start: the language
// or, in labels without one, EOS.
bool WrapsLabels(const Model& model) {
  const Languages* languages = model.tokenizer == nullptr ? nullptr : model.tokenizer->languages();
  return languages != nullptr && languages->target_mark == TargetMark::kDecoderStart;
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

absl::Status CheckOutput(const v1::GenerateRequest& request) {
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
                                         std::optional<TokenId> first_token, uint64_t seed) {
  auto options = FromProto(request.options());
  if (!options.ok()) return options.status();
  if (first_token && target_prefix_length == 0) options->forced_bos_token_id = first_token;
  const std::array<const GenerationOptions*, 2> defaults = {&model.server_defaults,
                                                            &model.checkpoint_defaults};
  OptionContext context;
  context.target_prefix_length = target_prefix_length;
  context.bad_words = model.bad_words;
  if (request.options().has_bad_words()) {
    const auto& texts = request.options().bad_words().values();
    auto ids = ReadBadWords({texts.begin(), texts.end()}, model);
    if (!ids.ok()) return ids.status();
    context.bad_words = *std::move(ids);
  }
  context.seed = seed;
  auto params = ResolveOptions(*options, defaults, LimitsOf(model), context);
  if (!params.ok()) return params;
  params->top_logprobs = request.output().top_logprobs();
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
  status.Update(CheckBadWordsSize(request.options().bad_words()));
  return status;
}

absl::Status CheckSizes(const v1::ScoreRequest& request, const Model& model) {
  const int most = model.config.max_rows;
  if (request.targets().empty()) return FieldError("targets", "required");
  if (request.targets_size() > most) {
    return FieldError("targets",
                      absl::StrCat("has ", request.targets_size(), " targets; at most ", most));
  }
  absl::Status status = CheckInputSize(request.source(), "source", model);
  for (int i = 0; i < request.targets_size(); ++i) {
    status.Update(CheckInputSize(request.targets(i), TargetField(i), model));
  }
  return status;
}

absl::Status CheckSizes(const v1::EncodeRequest& request, const Model& model) {
  return CheckInputSize(request.source(), "source", model);
}

absl::StatusOr<Request> ReadRequest(const v1::GenerateRequest& request, const Model& model,
                                    uint64_t seed) {
  if (absl::Status status = CheckOutput(request); !status.ok()) return status;
  const auto languages = ReadLanguages(LanguageFieldsOf(request), model);
  if (!languages.ok()) return languages.status();
  absl::StatusOr<Request> result = ReadCommon(request, *languages, model);
  if (!result.ok()) return result;
  auto prefix = ReadTargetPrefix(request, *languages, model);
  if (!prefix.ok()) return prefix.status();
  auto params = ReadOptions(request, model, static_cast<int32_t>(prefix->size()),
                            languages->first_token, seed);
  if (!params.ok()) return params.status();
  result->target_prefix = *std::move(prefix);
  result->params = *std::move(params);
  return result;
}

absl::StatusOr<Request> ReadRequest(const v1::ScoreRequest& request, const Model& model) {
  const auto languages = ReadLanguages(LanguageFieldsOf(request), model);
  if (!languages.ok()) return languages.status();
  absl::StatusOr<Request> result = ReadCommon(request, *languages, model);
  if (!result.ok()) return result;
  for (int i = 0; i < request.targets_size(); ++i) {
    auto target = ReadTarget(request.targets(i), TargetField(i), languages->of_output, model);
    if (!target.ok()) return target.status();
    if (request.targets(i).has_text() && WrapsLabels(model)) result->decoder_start = target->back();
    result->targets.push_back(*std::move(target));
  }
  return result;
}

absl::StatusOr<Request> ReadRequest(const v1::EncodeRequest& request, const Model& model) {
  const std::optional<Pooling> pooling = FromProto(request.pooling());
  if (!pooling) return FieldError("pooling", absl::StrCat(request.pooling(), " is unknown"));
  const auto languages = ReadLanguages(LanguageFieldsOf(request), model);
  if (!languages.ok()) return languages.status();
  absl::StatusOr<Request> result = ReadCommon(request, *languages, model);
  if (!result.ok()) return result;
  const auto positions = static_cast<int64_t>(result->source.size());
  const int64_t width = model.engine->spec().d_model;
  constexpr int64_t kEnvelope = 8;  // of one state, at most
  const int64_t bytes = positions * (width * static_cast<int64_t>(sizeof(float)) + kEnvelope);
  if (pooling == Pooling::kAll && bytes > kMaxStateBytes) {
    return FieldError("pooling", absl::StrCat("the states of ", positions, " positions, ", width,
                                              " numbers each, take ", bytes, " bytes; at most ",
                                              kMaxStateBytes, " are sent"));
  }
  result->pooling = *pooling;
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

absl::StatusOr<std::vector<std::vector<TokenId>>> ReadBadWords(
    const std::vector<std::string>& texts, const Model& model) {
  if (absl::Status status = CheckHasTokenizer("options.bad_words", model); !status.ok()) {
    return status;
  }
  std::vector<std::vector<TokenId>> words;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string& text = texts[i];
    const size_t before = words.size();
    for (const std::string& spelled : {text, " " + text}) {
      auto ids = text.empty() ? std::vector<TokenId>() : model.tokenizer->EncodeInside(spelled);
      if (!ids.ok()) return ids.status();
      if (ids->empty() || (words.size() > before && EndsWith(*ids, words.back()))) continue;
      words.push_back(*std::move(ids));
    }
    if (words.size() == before) {
      return FieldError(absl::StrCat("options.bad_words[", i, "]"), "has no token");
    }
  }
  return words;
}

}  // namespace transept::server
