// Any bytes as spiece.model: what is accepted encodes and decodes hard text within its vocabulary.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/require_tokenizes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const transept::JsonDocument empty = *transept::JsonDocument::Parse("{}", "empty.json");
  auto options = transept::ReadSentencePieceTokenizer({.model_path = "spiece.model",
                                                       .model = bytes,
                                                       .tokenizer_config = empty,
                                                       .special_tokens_map = empty,
                                                       .added_tokens = empty},
                                                      1000);
  if (!options.ok()) return 0;
  const transept::SubwordTokenizer tokenizer(*std::move(options));
  transept::RequireTokenizes(tokenizer, bytes);
  return 0;
}
