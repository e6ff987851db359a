// Every tokenizer of tests/data/text against the ids and texts that transformers, tokenizers and
// SentencePiece gave for it (tools/goldens/text.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/json/json.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/text/golden_files.h"

namespace transept {
namespace {

const std::string kFolder = "tests/data/text/";

std::vector<TokenId> Ids(const JsonView& list) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < list.size(); ++i) ids.push_back(static_cast<TokenId>(*list[i].AsInt()));
  return ids;
}

std::unique_ptr<Tokenizer> Load(const std::string& name) {
  ModelSpec spec;
  spec.vocab_size = 5000;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(kFolder + name, spec);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  const JsonDocument golden_ = Read(kFolder + GetParam() + "/golden.json");
  const std::unique_ptr<Tokenizer> tokenizer_ = Load(GetParam());
};

TEST_P(GoldenTest, Encode) {
  const JsonDocument texts = Read(kFolder + "texts.json");
  ASSERT_EQ(texts.root().size(), golden_["ids"].size());
  for (size_t i = 0; i < texts.root().size(); ++i) {
    const std::string text = *texts.root()[i].AsString();
    EXPECT_EQ(*tokenizer_->Encode(text), Ids(golden_["ids"][i])) << "text " << i << ": " << text;
  }
}

// What is put around a text is what an empty one gets; ByT5 puts no second EOS behind one.
TEST_P(GoldenTest, EncodeInsideIsEncodeWithoutWhatIsPutAround) {
  const JsonDocument texts = Read(kFolder + "texts.json");
  const std::vector<TokenId> around = *tokenizer_->Encode("");
  EXPECT_TRUE(tokenizer_->EncodeInside("")->empty());
  for (size_t i = 0; i < texts.root().size(); ++i) {
    const std::vector<TokenId> ids = Ids(golden_["ids"][i]);
    const std::vector<TokenId> inside = *tokenizer_->EncodeInside(*texts.root()[i].AsString());
    const bool ends_itself = ids == inside && !ids.empty() && around == std::vector(1, ids.back());
    if (ends_itself) continue;
    ASSERT_EQ(ids.size(), inside.size() + around.size()) << "text " << i;
    size_t front = 0;
    while (front < around.size() && ids[front] == around[front]) ++front;
    const bool found =
        std::search(ids.begin(), ids.end(), inside.begin(), inside.end()) - ids.begin() <=
        static_cast<std::ptrdiff_t>(front);
    EXPECT_TRUE(found) << "text " << i;
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
                                         "t5_spiece_bytes", "byt5", "bart_files", "bart_json",
                                         "blenderbot_files", "blenderbot_json", "bpe_spiece",
                                         "bpe_json"),
                         [](const auto& info) { return info.param; });

// Lines of many scripts, and long ones; checksums of their ids, and of the texts that these give
// back.
class LinesTest : public testing::TestWithParam<std::string> {
 protected:
  LinesTest() {
    const JsonDocument file = Read(kFolder + "lines.json");
    for (size_t i = 0; i < file["lines"].size(); ++i) {
      lines_.push_back(*file["lines"][i].AsString());
    }
    for (size_t i = 0; i < file["repeated"].size(); ++i) {
      long_texts_.push_back(Repeat(file["repeated"][i][0], file["repeated"][i][1]));
    }
    in_a_row_ = static_cast<size_t>(*file["lines_in_a_row"].AsInt());
  }

  void ExpectIds(const std::string& text, const JsonView& checksum) {
    const std::vector<TokenId> ids = *tokenizer_->Encode(text);
    EXPECT_EQ(Checksum(ids), *checksum.AsInt())
        << checksum.path() << ": " << text.substr(0, 200) << "\nids now: "
        << testing::PrintToString(
               std::vector(ids.begin(), ids.begin() + std::min<int64_t>(ids.size(), 100)));
  }

  std::string Again(const std::string& text) const {
    return tokenizer_->Decode(*tokenizer_->Encode(text));
  }

  const JsonDocument golden_ = Read(kFolder + GetParam() + "/lines_golden.json");
  const std::unique_ptr<Tokenizer> tokenizer_ = Load(GetParam());
  std::vector<std::string> lines_, long_texts_;
  size_t in_a_row_;  // so many lines have one checksum of texts
};

TEST_P(LinesTest, Encode) {
  ASSERT_GE(lines_.size(), 2000u);
  ASSERT_EQ(lines_.size(), golden_["lines"].size());
  for (size_t i = 0; i < lines_.size(); ++i) ExpectIds(lines_[i], golden_["lines"][i]);
}

TEST_P(LinesTest, EncodeLong) {
  ASSERT_EQ(long_texts_.size(), golden_["repeated"].size());
  for (size_t i = 0; i < long_texts_.size(); ++i) {
    EXPECT_GE(long_texts_[i].size(), 90000u);
    ExpectIds(long_texts_[i], golden_["repeated"][i]);
  }
}

TEST_P(LinesTest, DecodeOfEncoded) {
  ASSERT_EQ(golden_["decoded"].size(), (lines_.size() + in_a_row_ - 1) / in_a_row_);
  for (size_t i = 0; i < lines_.size(); i += in_a_row_) {
    std::string texts = Again(lines_[i]);
    for (size_t j = i + 1; j < std::min(lines_.size(), i + in_a_row_); ++j) {
      texts += '\n';
      texts += Again(lines_[j]);
    }
    EXPECT_EQ(Checksum(texts), *golden_["decoded"][i / in_a_row_].AsInt())
        << "lines from " << i << " on became " << texts;
  }
}

TEST_P(LinesTest, DecodeOfEncodedLong) {
  ASSERT_EQ(long_texts_.size(), golden_["repeated_decoded"].size());
  for (size_t i = 0; i < long_texts_.size(); ++i) {
    const std::string text = Again(long_texts_[i]);
    EXPECT_EQ(Checksum(text), *golden_["repeated_decoded"][i].AsInt()) << text.substr(0, 200);
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, LinesTest,
                         testing::Values("t5_json", "t5_json_v4", "t5_json_bytes", "t5_spiece",
                                         "t5_spiece_bytes", "byt5", "bart_files", "bart_json",
                                         "blenderbot_files", "blenderbot_json", "bpe_spiece",
                                         "bpe_json"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
