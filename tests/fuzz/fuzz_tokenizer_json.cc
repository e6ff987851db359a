// Any bytes as tokenizer.json: what is accepted encodes and decodes hard text within its
// vocabulary.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/text/tokenizer_json.h"
#include "tests/fuzz/require_tokenizes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto json = transept::JsonDocument::Parse(bytes, "tokenizer.json");
  if (!json.ok()) return 0;
  auto options = transept::ReadTokenizerJson(*json);
  if (!options.ok()) return 0;
  const transept::SubwordTokenizer tokenizer(*std::move(options));
  transept::RequireTokenizes(tokenizer, bytes);
  return 0;
}
