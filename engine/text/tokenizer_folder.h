// The files of a model folder that say what a tokenizer's special tokens are.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/languages.h"

namespace transept {

// Absent files are empty objects.
struct TokenizerFolder {
  std::string path;
  JsonDocument tokenizer_config;
  JsonDocument special_tokens_map;
  JsonDocument added_tokens;  // of transformers before 4.34

  // Errors name the file that is damaged.
  static absl::StatusOr<TokenizerFolder> Open(const std::string& path);

  // The text of the special token `name`, such as "eos_token"; `fallback` where no file has it.
  absl::StatusOr<std::string> SpecialToken(const char* name, std::string_view fallback) const;

  // Sets the languages of tokenizer_config.json; `source` where it names none for the source.
  absl::Status ReadLanguages(std::string_view source, Languages* languages) const;
};

// The object in the file at `path`; an empty one where there is no such file.
absl::StatusOr<JsonDocument> ReadOptionalJson(const std::string& path);

}  // namespace transept
