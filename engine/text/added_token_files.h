// Added tokens as transformers writes them to JSON.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/added_tokens.h"

namespace transept {

// A token id in a file. One below the largest number, so that a vocabulary's size is one too.
absl::StatusOr<TokenId> ReadTokenId(const JsonView& value);

// One AddedToken object: {"content": ..., "lstrip": ..., ...}.
absl::StatusOr<AddedToken> ReadAddedToken(const JsonView& object, TokenId id);

// tokenizer_config.json's {"added_tokens_decoder": {"<id>": {"content": ...}}}; none when absent.
absl::StatusOr<std::vector<AddedToken>> ReadAddedTokensDecoder(const JsonView& object);

// A special token of special_tokens_map.json or tokenizer_config.json, written as a string or as an
// AddedToken object; `fallback` when absent.
absl::StatusOr<std::string> ReadSpecialToken(const JsonView& value, std::string_view fallback);

// All special tokens that such a file names.
absl::StatusOr<std::set<std::string>> ReadSpecialTokens(const JsonView& file);

}  // namespace transept
