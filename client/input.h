// What users give as text: sources, targets, lists of token ids.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "transept/v1/transept.pb.h"

namespace transept::client {

// Ids with commas or spaces between them, such as "1,2,3"; there may be none.
absl::StatusOr<v1::TokenIds> ParseIds(const std::string& text);

// `text`, or with `ids` the ids that it lists.
absl::StatusOr<v1::Input> ToInput(const std::string& text, bool ids);

// Where the first byte is that does not belong to a character of UTF-8.
std::optional<size_t> FindNotUtf8(std::string_view text);

}  // namespace transept::client
