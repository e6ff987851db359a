// Every tokenizer of tests/data/translation against what transformers gave for it
// (tools/goldens/translation.py). Long lists of ids and texts are kept as hashes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/json/json.h"
#include "engine/text/languages.h"
#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"
#include "tests/engine/text/golden_files.h"

namespace transept {
namespace {

const std::string kFolder = "tests/data/translation/";

std::vector<std::string> ReadTexts() {
  const JsonDocument file = Read(kFolder + "texts.json");
  std::vector<std::string> texts;
  for (size_t i = 0; i < file.root().size(); ++i) {
    const JsonView entry = file.root()[i];
    texts.push_back(entry.is_string() ? *entry.AsString() : Repeat(entry[0], entry[1]));
  }
  return texts;
}

// The low 24 of FNV-1a's 64 bits.
int64_t Hash(std::string_view bytes) {
  uint64_t value = 0xCBF29CE484222325;
  for (const char byte : bytes) value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
  return static_cast<int64_t>(value & 0xFFFFFF);
}

int64_t Hash(const std::vector<TokenId>& ids) {
  return Hash(BytesOf(ids));
}

std::string Show(const std::string& text) {
  return text.substr(0, 200);
}

class TranslationGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  TranslationGoldenTest()
      : golden_(Read(kFolder + GetParam() + "/golden.json")), texts_(ReadTexts()) {
    ModelSpec spec;
    spec.vocab_size = 1000;
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
        LoadTokenizer(kFolder + GetParam(), spec);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  // One run of the goldens: all or every tenth text in one pair of languages.
  void Compare(const JsonView& run) {
    const std::string source = *run["source"].AsString(), target = *run["target"].AsString();
    const auto step = static_cast<size_t>(*run["step"].AsInt());
    ASSERT_EQ(run["ids"].size(), (texts_.size() + step - 1) / step);
    for (size_t i = 0; i < run["ids"].size(); ++i) {
      if (!run["ids"][i].exists()) continue;  // no such combination in transformers
      const auto ids = tokenizer_->EncodeSource(texts_[i * step], {source, target});
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(Hash(*ids), *run["ids"][i].AsInt())
          << source << " -> " << target << ", text " << i * step << ": " << Show(texts_[i * step])
          << "\nbecame " << testing::PrintToString(*ids).substr(0, 600);
    }
  }

  const JsonDocument golden_;
  const std::vector<std::string> texts_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TranslationGoldenTest, SourcesInAllLanguages) {
  ASSERT_GE(texts_.size(), 2000u);
  for (size_t i = 0; i < golden_["runs"].size(); ++i) Compare(golden_["runs"][i]);
}

TEST_P(TranslationGoldenTest, Targets) {
  const JsonView expected = golden_["target_ids"];
  ASSERT_EQ(expected.size(), (texts_.size() + 9) / 10);
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto ids = tokenizer_->EncodeTarget(texts_[i * 10]);
    ASSERT_TRUE(ids.ok()) << ids.status();
    auto inside = *tokenizer_->EncodeInside(texts_[i * 10]);
    EXPECT_EQ(Hash(inside), *expected[i].AsInt())
        << "text " << i * 10 << ": " << Show(texts_[i * 10]) << "\nbecame "
        << testing::PrintToString(inside).substr(0, 600);
    if (inside != *ids) {  // but for an EOS
      inside.push_back(ids->back());
      EXPECT_EQ(inside, *ids);
    }
  }
}

TEST_P(TranslationGoldenTest, DecodeOfEncoded) {
  const JsonView expected = golden_["decoded"];
  ASSERT_EQ(expected.size(), (texts_.size() + 2) / 3);
  for (size_t i = 0; i < texts_.size(); i += 3) {
    const std::string text = tokenizer_->Decode(*tokenizer_->Encode(texts_[i]));
    EXPECT_EQ(Hash(text), *expected[i / 3].AsInt())
        << "text " << i << ": " << Show(texts_[i]) << "\nbecame " << Show(text);
  }
}

TEST_P(TranslationGoldenTest, DecodeOfAnyIds) {
  for (size_t i = 0; i < golden_["decode_ids"].size(); ++i) {
    std::vector<TokenId> ids;
    for (size_t j = 0; j < golden_["decode_ids"][i].size(); ++j) {
      ids.push_back(static_cast<TokenId>(*golden_["decode_ids"][i][j].AsInt()));
    }
    EXPECT_EQ(tokenizer_->Decode(ids), *golden_["decode_text"][i].AsString()) << "case " << i;
  }
}

TEST_P(TranslationGoldenTest, TextInPortionsIsTheSame) {
  for (size_t i = 0; i < texts_.size(); i += 7) {
    const std::vector<TokenId> ids = *tokenizer_->Encode(texts_[i]);
    const auto detokenizer = tokenizer_->NewDetokenizer();
    std::string text;
    for (size_t at = 0; at < ids.size(); at += 1 + i % 3) {
      const std::string delta = detokenizer->Append(
          absl::MakeSpan(ids).subspan(at, std::min<size_t>(1 + i % 3, ids.size() - at)));
      ASSERT_TRUE(IsValidUtf8(delta)) << Show(texts_[i]);
      text += delta;
    }
    text += detokenizer->Finish();
    EXPECT_EQ(text, tokenizer_->Decode(ids)) << Show(texts_[i]);
  }
}

TEST_P(TranslationGoldenTest, Languages) {
  const std::vector<std::string> names = golden_["languages"].Keys();
  ASSERT_EQ(tokenizer_->languages() != nullptr, !names.empty());
  for (const std::string& name : names) {
    EXPECT_EQ(*tokenizer_->languages()->Find(name), *golden_["languages"][name].AsInt()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TranslationGoldenTest,
                         testing::Values("marian_v4", "marian_separate_v5", "marian_symbols_v4",
                                         "m2m100_v4", "m2m100_v5", "m2m100_symbols_v4",
                                         "plbart_multi_v4", "plbart_v5", "plbart_symbols_v4",
                                         "mbart_v4", "mbart_v5", "mbart50_v4", "mbart50_v5",
                                         "mbart50_symbols_v4", "nllb_v4", "nllb_v5",
                                         "nllb_legacy_v5", "nllb_symbols_v4", "pegasus_v4",
                                         "pegasus_v5", "pegasus_symbols_v4", "madlad_v4",
                                         "madlad_json_v4", "madlad_v5"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
