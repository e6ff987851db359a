// Four lines of any bytes as tokenizer_config.json, special_tokens_map.json, added_tokens.json and
// vocab.json, beside small SentencePiece models, for every class with languages.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/languages.h"
#include "engine/text/translation_folder.h"
#include "engine/types/require.h"
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

void Write(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A folder with the models, for all inputs.
std::string MakeFolder() {
  std::string path = "/tmp/fuzz_translation_XXXXXX";
  transept::Require(mkdtemp(path.data()) != nullptr, "no temporary folder");
  const std::string model = Piece("<unk>", kUnknown) + Piece("<s>", kControl) +
                            Piece("</s>", kControl) + Piece("▁", kNormal) + Piece("▁a", kNormal) +
                            Piece("e", kNormal);
  for (const char* name : {"source.spm", "target.spm", "sentencepiece.bpe.model", "spiece.model"}) {
    Write(path + "/" + name, model);
  }
  return path;
}

void RequireLanguages(const transept::Tokenizer& tokenizer, std::string_view unknown) {
  const transept::Languages* languages = tokenizer.languages();
  if (languages == nullptr) return;
  for (const auto& [name, token] : languages->tokens) {
    transept::Require(languages->Find(name).ok(), "a language is not found");
    transept::Require(token < tokenizer.vocab_size(), "a language outside the vocabulary");
  }
  if (languages->Find(unknown).ok()) return;
  const bool refused = !tokenizer.EncodeSource("a", {unknown, unknown}).ok();
  transept::Require(refused || unknown.empty(), "an unknown language is taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = MakeFolder();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string_view rest = bytes;
  auto config = ParseObject(TakeLine(&rest), "tokenizer_config.json");
  auto special_tokens_map = ParseObject(TakeLine(&rest), "special_tokens_map.json");
  auto added_tokens = ParseObject(TakeLine(&rest), "added_tokens.json");
  if (!config.ok() || !special_tokens_map.ok() || !added_tokens.ok()) return 0;
  for (const char* name : {"/vocab.json", "/target_vocab.json"}) Write(path + name, rest);

  const transept::TokenizerFolder folder{path, *std::move(config), *std::move(special_tokens_map),
                                         *std::move(added_tokens)};
  transept::ModelSpec spec;
  spec.vocab_size = 1000;
  for (const char* name :
       {"MarianTokenizer", "M2M100Tokenizer", "PLBartTokenizer", "MBartTokenizer",
        "MBart50Tokenizer", "NllbTokenizer", "PegasusTokenizer"}) {
    const auto tokenizer = transept::LoadTranslationTokenizer(name, folder, spec);
    if (!tokenizer.ok()) continue;
    transept::RequireTokenizes(**tokenizer, bytes);
    RequireLanguages(**tokenizer, bytes.substr(0, 40));
  }
  return 0;
}
