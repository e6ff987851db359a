// Three lines of any bytes as tokenizer_config.json, special_tokens_map.json and added_tokens.json,
// beside a small spiece.model; the first line also as the configuration of ByT5.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/byte_tokenizer.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/require_tokenizes.h"

namespace {

using transept::JsonDocument;

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
