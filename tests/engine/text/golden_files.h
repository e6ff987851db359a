// What the tests against goldens share: their files, texts repeated many times, checksums.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/json/json.h"
#include "engine/types/model_spec.h"

namespace transept {

inline JsonDocument Read(const std::string& path) {
  absl::StatusOr<JsonDocument> file = JsonDocument::ReadFile(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

inline std::string Repeat(const JsonView& text, const JsonView& times) {
  std::string repeated;
  for (int64_t n = *times.AsInt(); n > 0; --n) repeated += *text.AsString();
  return repeated;
}

// Four bytes for each, the lowest first.
inline std::string BytesOf(const std::vector<TokenId>& ids) {
  std::string bytes;
  for (const TokenId id : ids) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(id >> shift & 0xFF);
  }
  return bytes;
}

// FNV-1a, as in tools/goldens/lines.py.
inline int64_t Checksum(std::string_view bytes) {
  uint32_t value = 0x811C9DC5;
  for (const char byte : bytes) value = (value ^ static_cast<uint8_t>(byte)) * 0x01000193;
  return value;
}

inline int64_t Checksum(const std::vector<TokenId>& ids) {
  return Checksum(BytesOf(ids));
}

}  // namespace transept
