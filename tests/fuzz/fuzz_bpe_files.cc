// Four lines of any bytes as vocab.json, tokenizer_config.json, special_tokens_map.json and
// added_tokens.json, and the rest as merges.txt: what is accepted encodes and decodes hard text
// within its vocabulary, as BART and as Blenderbot.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/byte_level_tokenizer.h"
#include "tests/fuzz/require_tokenizes.h"

namespace {

using transept::JsonDocument;

// Up to the next line feed, which JSON does not need.
std::string_view TakeLine(std::string_view* rest) {
  const std::string_view line = rest->substr(0, rest->find('\n'));
  rest->remove_prefix(std::min(line.size() + 1, rest->size()));
  return line;
}

// As a folder's files are read: an object, and an empty one where there is no file.
absl::StatusOr<JsonDocument> ParseObject(std::string_view bytes, const std::string& name) {
  auto json = JsonDocument::Parse(bytes.empty() ? "{}" : bytes, name);
  if (!json.ok()) return json;
  if (auto status = json->root().ExpectObject(); !status.ok()) return status;
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string_view rest = bytes;
  const auto vocab = ParseObject(TakeLine(&rest), "vocab.json");
  const auto config = ParseObject(TakeLine(&rest), "tokenizer_config.json");
  const auto special_tokens_map = ParseObject(TakeLine(&rest), "special_tokens_map.json");
  const auto added_tokens = ParseObject(TakeLine(&rest), "added_tokens.json");
  if (!vocab.ok() || !config.ok() || !special_tokens_map.ok() || !added_tokens.ok()) return 0;
  using transept::ByteLevelClass;
  for (const ByteLevelClass kind : {ByteLevelClass::kBart, ByteLevelClass::kBlenderbot}) {
    auto options = transept::ReadByteLevelTokenizer({.vocab = *vocab,
                                                     .merges_path = "merges.txt",
                                                     .merges = rest,
                                                     .tokenizer_config = *config,
                                                     .special_tokens_map = *special_tokens_map,
                                                     .added_tokens = *added_tokens},
                                                    kind);
    if (!options.ok()) continue;
    transept::RequireTokenizes(transept::SubwordTokenizer(*std::move(options)), bytes);
  }
  return 0;
}
