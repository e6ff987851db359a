// Foreign bytes as several JSON files, a line each.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/json/json.h"

namespace transept {

// Up to the next line feed, which JSON does not need.
inline std::string_view TakeLine(std::string_view* rest) {
  const std::string_view line = rest->substr(0, rest->find('\n'));
  rest->remove_prefix(std::min(line.size() + 1, rest->size()));
  return line;
}

// As a folder's files are read: an object, and an empty one where there is no file.
inline absl::StatusOr<JsonDocument> ParseObject(std::string_view bytes, const std::string& name) {
  auto json = JsonDocument::Parse(bytes.empty() ? "{}" : bytes, name);
  if (!json.ok()) return json;
  if (auto status = json->root().ExpectObject(); !status.ok()) return status;
  return json;
}

}  // namespace transept
