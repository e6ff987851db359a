// Any bytes as spiece.model: what is accepted encodes and decodes hard text within its vocabulary.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/utf8.h"
#include "engine/types/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using transept::Require;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const transept::JsonDocument empty = *transept::JsonDocument::Parse("{}", "empty.json");
  auto options = transept::ReadSentencePieceTokenizer({.model_path = "spiece.model",
                                                       .model = bytes,
                                                       .tokenizer_config = empty,
                                                       .special_tokens_map = empty,
                                                       .added_tokens = empty},
                                                      1000);
  if (!options.ok()) return 0;
  const transept::UnigramTokenizer tokenizer(*std::move(options));
  for (const std::string_view text :
       {bytes, std::string_view("▁a e\u0301\u0301  ½\r\n</s>\xFF 😀")}) {
    const auto ids = tokenizer.Encode(text);
    Require(ids.ok(), "text refused");
    for (const transept::TokenId id : *ids) {
      Require(id >= 0 && id < tokenizer.vocab_size(), "id outside the vocabulary");
    }
    Require(transept::IsValidUtf8(tokenizer.Decode(*ids)), "text that is not UTF-8");
  }
  return 0;
}
