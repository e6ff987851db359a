// What the languages of a request mean for its source and its output.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/text/tokenizer.h"
#include "server/model_registry.h"
#include "transept/v1/transept.pb.h"

namespace transept::server {

// What of a request decides about its languages. Points into the request.
struct LanguageFields {
  const std::string& source_language;
  const std::string& target_language;
  const v1::Input& source;
  const v1::Input& target_prefix;
  const v1::GenerationOptions& options;
};

// Points into the request.
struct RequestLanguages {
  LanguagePair of_text;  // for Tokenizer::EncodeSource
  // The token that the output begins with: forced, or before a target prefix that is text.
  std::optional<TokenId> first_token;
  std::optional<TokenId> decoder_start;  // in place of the model's
  // The token that the output has in front, as its first or as what the decoder starts with, if
  // that is a language's. It marks the labels that a text is scored as, at Languages::place.
  std::optional<TokenId> of_output;
};

// FieldError for a language that the model does not know or take, and for one that would have no
// effect. What the request leaves open, the folder's tokenizer_config.json and
// generation_config.json decide for text, and nothing does for token ids.
absl::StatusOr<RequestLanguages> ReadLanguages(const LanguageFields& request, const Model& model);

// FieldError("source_language") unless the model's sources can be of `language` or it is "".
absl::Status CheckSourceLanguage(const std::string& language, const Model& model);

}  // namespace transept::server
