// Every tokenizer of tests/data/text against the ids and texts that transformers and SentencePiece
// gave for it (tools/make_tokenizer_goldens.py).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/json/json.h"
#include "engine/text/tokenizer.h"

namespace transept {
namespace {

const std::string kFolder = "tests/data/text/";

JsonDocument Read(const std::string& path) {
  absl::StatusOr<JsonDocument> file = JsonDocument::ReadFile(path);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

std::vector<TokenId> Ids(const JsonView& list) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < list.size(); ++i) ids.push_back(static_cast<TokenId>(*list[i].AsInt()));
  return ids;
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  GoldenTest() : golden_(Read(kFolder + GetParam() + "/golden.json")) {
    ModelSpec spec;
    spec.vocab_size = 1000;
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
        LoadTokenizer(kFolder + GetParam(), spec);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  const JsonDocument golden_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(GoldenTest, Encode) {
  const JsonDocument texts = Read(kFolder + "texts.json");
  ASSERT_EQ(texts.root().size(), golden_["ids"].size());
  for (size_t i = 0; i < texts.root().size(); ++i) {
    const std::string text = *texts.root()[i].AsString();
    EXPECT_EQ(*tokenizer_->Encode(text), Ids(golden_["ids"][i])) << "text " << i << ": " << text;
  }
}

TEST_P(GoldenTest, DecodeOfEncoded) {
  for (size_t i = 0; i < golden_["ids"].size(); ++i) {
    EXPECT_EQ(tokenizer_->Decode(Ids(golden_["ids"][i])), *golden_["decoded"][i].AsString())
        << "text " << i;
  }
}

TEST_P(GoldenTest, DecodeOfAnyIds) {
  for (size_t i = 0; i < golden_["decode_ids"].size(); ++i) {
    EXPECT_EQ(tokenizer_->Decode(Ids(golden_["decode_ids"][i])),
              *golden_["decode_text"][i].AsString())
        << "case " << i;
  }
}

TEST_P(GoldenTest, VocabularySize) {
  EXPECT_EQ(tokenizer_->vocab_size(), *golden_["vocab_size"].AsInt());
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GoldenTest,
                         testing::Values("t5_json", "t5_json_v4", "t5_json_bytes", "t5_spiece",
                                         "t5_spiece_bytes", "byt5"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
