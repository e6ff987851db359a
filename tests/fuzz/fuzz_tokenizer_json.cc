// Any bytes as tokenizer.json: what is accepted encodes and decodes hard text within its
// vocabulary.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/text/tokenizer_json.h"
#include "engine/text/utf8.h"
#include "engine/types/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using transept::Require;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto json = transept::JsonDocument::Parse(bytes, "tokenizer.json");
  if (!json.ok()) return 0;
  auto options = transept::ReadTokenizerJson(*json);
  if (!options.ok()) return 0;
  const transept::UnigramTokenizer tokenizer(*std::move(options));
  // The file itself is text, too: it holds the vocabulary's pieces.
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
