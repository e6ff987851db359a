// Which files make a tokenizer, and what they say about added tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "engine/text/tokenizer.h"
#include "tests/engine/text/temporary_folder.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kData[] = "tests/data/text/";

absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& folder,
                                                int32_t vocab_size = 1000) {
  ModelSpec spec;
  spec.vocab_size = vocab_size;
  return LoadTokenizer(folder, spec);
}

std::vector<TokenId> Encode(const Tokenizer& tokenizer, std::string_view text) {
  return *tokenizer.Encode(text);
}

TEST(LoadTokenizerTest, NotFoundWithoutAnyTokenizer) {
  const TemporaryFolder folder;
  folder.Write("config.json", R"({"model_type": "t5"})");
  const absl::Status status = Load(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path()));
}

TEST(LoadTokenizerTest, TokenizerJsonGoesBeforeSpieceModel) {
  const TemporaryFolder folder;
  folder.Copy(std::string(kData) + "t5_json");
  folder.Write("spiece.model", "garbage");
  EXPECT_TRUE(Load(folder.path()).ok()) << Load(folder.path()).status();
}

TEST(LoadTokenizerTest, Byt5IsKnownByItsClassInEitherFile) {
  const TemporaryFolder folder;
  folder.Write("config.json", R"({"model_type": "t5", "tokenizer_class": "ByT5Tokenizer"})");
  const auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(Encode(**tokenizer, "a"), ElementsAre('a' + 3, 1));
  EXPECT_EQ((*tokenizer)->vocab_size(), 384);
  EXPECT_EQ((*tokenizer)->Piece(259), "<extra_id_0>");
  EXPECT_EQ((*tokenizer)->Piece('a' + 3), "a");
}

TEST(LoadTokenizerTest, Byt5AsTransformersSavesIt) {
  const TemporaryFolder folder;
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "ByT5Tokenizer", "extra_ids": 0,
      "added_tokens_decoder": {
        "1": {"content": "</s>", "lstrip": true, "rstrip": true, "special": false},
        "259": {"content": "<extra_id_0>", "special": true},
        "260": {"content": "[name]", "special": false}}})");
  const auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 261);
  EXPECT_THAT(Encode(**tokenizer, "<extra_id_0> </s> [name]"), ElementsAre(259, 1, 260, 1));
  EXPECT_EQ((*tokenizer)->Decode({259, 260, 1, 100}), "[name]a");
}

TEST(LoadTokenizerTest, VocabularyLargerThanTheModels) {
  const std::string folder = std::string(kData) + "t5_json";
  EXPECT_TRUE(Load(folder, 501).ok());
  const absl::Status status = Load(folder, 500).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(HasSubstr(folder), HasSubstr("501"), HasSubstr("500")));
}

TEST(LoadTokenizerTest, BareSpieceModelHasOneHundredSentinels) {
  const TemporaryFolder folder;
  folder.Write("spiece.model", ReadBytes(std::string(kData) + "t5_spiece/spiece.model"));
  const auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 501);
  EXPECT_EQ((*tokenizer)->Piece(500), "<extra_id_0>");
  EXPECT_EQ((*tokenizer)->Piece(401), "<extra_id_99>");
  // A model without embeddings for them has none.
  EXPECT_EQ((*Load(folder.path(), 401))->vocab_size(), 401);
  folder.Write("tokenizer_config.json", R"({"extra_ids": 2})");
  EXPECT_EQ((*Load(folder.path()))->vocab_size(), 403);
}

TEST(LoadTokenizerTest, AddedTokensOfOlderTransformers) {
  const TemporaryFolder folder;
  folder.Write("spiece.model", ReadBytes(std::string(kData) + "t5_spiece/spiece.model"));
  folder.Write("tokenizer_config.json", R"({"extra_ids": 0})");
  folder.Write("added_tokens.json", R"({"[a]": 401, "[b]": 402})");
  folder.Write("special_tokens_map.json",
               R"({"eos_token": {"content": "</s>"}, "additional_special_tokens": ["[b]"]})");
  const auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(Encode(**tokenizer, "[a][b]"), ElementsAre(401, 402, 1));
  EXPECT_EQ((*tokenizer)->Decode({401, 402}), "[a]");
}

TEST(LoadTokenizerTest, EosMayHaveAnotherName) {
  const TemporaryFolder folder;
  folder.Write("spiece.model", ReadBytes(std::string(kData) + "t5_spiece/spiece.model"));
  folder.Write("tokenizer_config.json", R"({"eos_token": "<extra_id_0>"})");
  EXPECT_THAT(Encode(**Load(folder.path()), ""), ElementsAre(500));
  folder.Write("tokenizer_config.json", R"({"eos_token": "<end>"})");
  EXPECT_THAT(std::string(Load(folder.path()).status().message()), HasSubstr("\"<end>\""));
}

TEST(LoadTokenizerTest, CleansUpSpacesWhereTheConfigSaysSo) {
  const TemporaryFolder folder;
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "ByT5Tokenizer"})");
  const std::vector<TokenId> ids = Encode(**Load(folder.path()), "do n't .");
  EXPECT_EQ((*Load(folder.path()))->Decode(ids), "do n't .");
  folder.Write("tokenizer_config.json",
               R"({"tokenizer_class": "ByT5Tokenizer", "clean_up_tokenization_spaces": true})");
  EXPECT_EQ((*Load(folder.path()))->Decode(ids), "don't.");
}

TEST(LoadTokenizerTest, InvalidTextCountsAsReplacementCharacters) {
  for (const char* name : {"t5_json", "t5_spiece_bytes", "byt5"}) {
    const auto tokenizer = Load(std::string(kData) + name);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ(Encode(**tokenizer, "a\xE2\x82 b\xFF"), Encode(**tokenizer, "a\uFFFD b\uFFFD"));
  }
}

TEST(LoadTokenizerTest, ThreadsMayShareATokenizer) {
  const auto tokenizer = Load(std::string(kData) + "t5_json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text = "The nave of the chu\u0308rch ½ 今日は </s>";
  const std::vector<TokenId> expected = Encode(**tokenizer, text);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) wrong += Encode(**tokenizer, text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace transept
