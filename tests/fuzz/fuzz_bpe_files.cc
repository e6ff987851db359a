// Four lines of any bytes as vocab.json, tokenizer_config.json, special_tokens_map.json and
// added_tokens.json, and the rest as merges.txt: what is accepted encodes and decodes hard text
// within its vocabulary, as BART and as Blenderbot.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/byte_level_tokenizer.h"
#include "tests/fuzz/json_lines.h"
#include "tests/fuzz/require_tokenizes.h"

using transept::ParseObject;
using transept::TakeLine;

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
