// Three lines of any bytes as tokenizer_config.json, special_tokens_map.json and added_tokens.json,
// beside a small spiece.model; the first line also as the configuration of ByT5.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/byte_tokenizer.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/json_lines.h"
#include "tests/fuzz/require_tokenizes.h"

namespace {

using transept::ParseObject;
using transept::TakeLine;

constexpr int kNormal = 1, kUnknown = 2, kControl = 3;

// A piece of a SentencePiece ModelProto: its text and type, with a score of 0.
std::string Piece(const std::string& text, int type) {
  const auto size = static_cast<char>(text.size());
  const std::string piece = std::string("\x0A") + size + text + "\x18" + static_cast<char>(type);
  return std::string("\x0A") + static_cast<char>(piece.size()) + piece;
}

std::string MakeModel() {
  return Piece("<pad>", kControl) + Piece("</s>", kControl) + Piece("<unk>", kUnknown) +
         Piece("▁", kNormal) + Piece("▁a", kNormal) + Piece("e", kNormal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string model = MakeModel();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string_view rest = bytes;
  const auto config = ParseObject(TakeLine(&rest), "tokenizer_config.json");
  const auto special_tokens_map = ParseObject(TakeLine(&rest), "special_tokens_map.json");
  const auto added_tokens = ParseObject(TakeLine(&rest), "added_tokens.json");
  if (!config.ok() || !special_tokens_map.ok() || !added_tokens.ok()) return 0;

  auto options = transept::ReadSentencePieceTokenizer({.model_path = "spiece.model",
                                                       .model = model,
                                                       .tokenizer_config = *config,
                                                       .special_tokens_map = *special_tokens_map,
                                                       .added_tokens = *added_tokens},
                                                      1000);
  if (options.ok()) {
    transept::RequireTokenizes(transept::SubwordTokenizer(*std::move(options)), bytes);
  }
  const auto byt5 = transept::ByteTokenizer::Create(*config);
  if (byt5.ok()) transept::RequireTokenizes(**byt5, bytes);
  return 0;
}
