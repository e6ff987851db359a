#include "engine/text/tokenizer_folder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/text/added_token_files.h"

namespace transept {

absl::StatusOr<JsonDocument> ReadOptionalJson(const std::string& path) {
  auto file = JsonDocument::ReadFile(path);
  if (absl::IsNotFound(file.status())) return JsonDocument::Parse("{}", path);
  if (!file.ok()) return file.status();
  if (const auto status = file->root().ExpectObject(); !status.ok()) return status;
  return file;
}

absl::StatusOr<TokenizerFolder> TokenizerFolder::Open(const std::string& path) {
  auto tokenizer_config = ReadOptionalJson(path + "/tokenizer_config.json");
  if (!tokenizer_config.ok()) return tokenizer_config.status();
  auto special_tokens_map = ReadOptionalJson(path + "/special_tokens_map.json");
  if (!special_tokens_map.ok()) return special_tokens_map.status();
  auto added_tokens = ReadOptionalJson(path + "/added_tokens.json");
  if (!added_tokens.ok()) return added_tokens.status();
  return TokenizerFolder{path, *std::move(tokenizer_config), *std::move(special_tokens_map),
                         *std::move(added_tokens)};
}

absl::StatusOr<std::string> TokenizerFolder::SpecialToken(const char* name,
                                                          std::string_view fallback) const {
  const auto token = ReadSpecialToken(special_tokens_map[name], fallback);
  if (!token.ok()) return token.status();
  return ReadSpecialToken(tokenizer_config[name], *token);
}

absl::Status TokenizerFolder::ReadLanguages(std::string_view source, Languages* languages) const {
  if (languages->tokens.empty() || languages->tokens.size() > Languages::kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the tokenizer has ", languages->tokens.size(),
                     " languages; there must be 1 to ", Languages::kMost));
  }
  struct Field {
    const char* name;
    std::string_view fallback;
    std::string* value;
  };
  for (const Field& field :
       {Field{"src_lang", source, &languages->source}, Field{"tgt_lang", "", &languages->target}}) {
    const auto name = tokenizer_config[field.name].AsStringOr(field.fallback);
    if (!name.ok()) return name.status();
    if (name->empty()) continue;
    if (const auto token = languages->Find(*name); !token.ok()) {
      return tokenizer_config[field.name].Error(std::string(token.status().message()));
    }
    *field.value = languages->tokens.count(*name) > 0 ? *name : std::string(LanguageName(*name));
  }
  return absl::OkStatus();
}

}  // namespace transept
