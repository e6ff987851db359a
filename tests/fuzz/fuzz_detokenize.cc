// Any token ids, given out in any portions: the text deltas are UTF-8 and add up to Decode of all;
// with a stop sequence, to what comes before it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/byte_tokenizer.h"
#include "engine/text/text_stream.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/utf8.h"
#include "engine/types/require.h"

namespace {

using transept::JsonDocument;
using transept::Require;
using transept::TokenId;

// Pieces that spaces, bytes and the rules for spaces before punctuation meet in.
constexpr char kVocabulary[] = R"([["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -1], ["▁a", -1],
    ["a", -1], ["▁▁", -1], [" ", -1], ["é", -1], ["▁.", -1], [".", -1], ["▁n", -1], ["'t", -1], ["▁'", -1],
    ["<0xE2>", 0], ["<0x82>", 0], ["<0xAC>", 0], ["<0x20>", 0], ["<0x41>", 0], ["<0xFF>", 0]])";

std::unique_ptr<transept::Tokenizer> MakeUnigram(const std::string& decoder, bool clean_up,
                                                 transept::DecodingRules::Bytes bytes) {
  const std::string json =
      R"({"added_tokens": [{"id": 1, "content": "</s>", "special": true},
                           {"id": 20, "content": "▁[x] ▁", "special": false}],
          "model": {"type": "Unigram", "unk_id": 2, "vocab": )" +
      std::string(kVocabulary) + R"(}, "decoder": )" + decoder + "}";
  auto options = transept::ReadTokenizerJson(*JsonDocument::Parse(json, "tokenizer.json"));
  options->decoding.clean_up_spaces = clean_up;
  options->decoding.bytes = bytes;
  return std::make_unique<transept::SubwordTokenizer>(*std::move(options));
}

// Pieces whose characters are bytes, whole ones of UTF-8 and not.
std::unique_ptr<transept::Tokenizer> MakeByteLevel() {
  const auto json = JsonDocument::Parse(R"({
      "added_tokens": [{"id": 1, "content": "</s>", "special": true},
                       {"id": 20, "content": "Ġ[x] Ġ", "special": false}],
      "model": {"type": "BPE", "merges": [], "vocab": {"<pad>": 0, "</s>": 1, "a": 2, "Ġ": 3, "Ġa": 4,
          "â": 5, "Ĥ": 6, "¬": 7, "âĤ": 8, "Ĥ¬": 9, "âĤ¬": 10, "ð": 11, "Ł": 12, "ĺ": 13, "Ģ": 14, "ÿ": 15,
          "¬ð": 16, ".": 17, "Ġ.": 18, "漢": 19}},
      "decoder": {"type": "ByteLevel"}})",
                                        "tokenizer.json");
  auto options = transept::ReadTokenizerJson(*json);
  return std::make_unique<transept::SubwordTokenizer>(*std::move(options));
}

std::vector<std::unique_ptr<transept::Tokenizer>> MakeTokenizers() {
  using Bytes = transept::DecodingRules::Bytes;
  const std::string metaspace = R"({"type": "Metaspace", "replacement": "▁"})";
  const std::string sequence = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
  std::vector<std::unique_ptr<transept::Tokenizer>> tokenizers;
  for (const bool clean_up : {false, true}) {
    tokenizers.push_back(MakeUnigram(metaspace, clean_up, Bytes::kAsWritten));
    tokenizers.push_back(MakeUnigram(metaspace, clean_up, Bytes::kByCharacter));
    tokenizers.push_back(MakeUnigram(sequence, clean_up, Bytes::kWholeRun));
  }
  tokenizers.push_back(MakeByteLevel());
  tokenizers.push_back(*transept::ByteTokenizer::Create(*JsonDocument::Parse("{}", "empty.json")));
  return tokenizers;
}

// The text up to the first place where one of `stops` is complete.
std::string Cut(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (std::string_view(text).substr(0, end).ends_with(stop)) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::unique_ptr<transept::Tokenizer>> tokenizers = MakeTokenizers();
  static const std::vector<std::string> stops = {"a.", " é", "€", "aaa", "a a", "\uFFFD\uFFFD"};
  if (size == 0) return 0;
  const transept::Tokenizer& tokenizer = *tokenizers[data[0] % tokenizers.size()];
  const bool bytes = data[0] % tokenizers.size() + 1 == tokenizers.size();
  std::vector<TokenId> ids;
  // ByT5's ids are bytes; the others' vocabulary is small. Both may be a little off.
  for (size_t i = 1; i < size; ++i) ids.push_back(bytes ? data[i] + 3 : data[i] % 24 - 1);

  const std::string whole = tokenizer.Decode(ids);
  Require(transept::IsValidUtf8(whole), "Decode is not UTF-8");
  const auto detokenizer = tokenizer.NewDetokenizer();
  transept::TextStream stream(&tokenizer, stops);
  std::string text, stopped_text;
  for (size_t i = 0; i < ids.size();) {
    const auto portion = absl::MakeSpan(ids).subspan(i, 1 + data[1 + i] / 64);
    const std::string delta = detokenizer->Append(portion);
    Require(transept::IsValidUtf8(delta), "a delta is not UTF-8");
    text += delta;
    const std::string stopped_delta = stream.Append(portion);
    Require(transept::IsValidUtf8(stopped_delta), "a delta before a stop sequence is not UTF-8");
    stopped_text += stopped_delta;
    i += portion.size();
  }
  Require(text + detokenizer->Finish() == whole, "deltas do not add up");
  Require(stopped_text + stream.Finish() == Cut(whole, stops), "not cut at the stop sequence");
  Require(stream.stopped() == (Cut(whole, stops) != whole), "stopped without a stop sequence");
  return 0;
}
