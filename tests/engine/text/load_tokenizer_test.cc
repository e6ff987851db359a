// Which files make a tokenizer, and what they say about added tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
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
                                                int32_t vocab_size = 5000) {
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

TEST(LoadTokenizerTest, UserDefinedPiecesMaySpeakOfMoreThanText) {
  const TemporaryFolder folder;
  folder.Write("spiece.model", ReadBytes("tests/data/translation/madlad_v4/spiece.model"));
  folder.Write("tokenizer_config.json", R"({"extra_ids": 0})");
  auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string with_language = (*tokenizer)->Decode(Encode(**tokenizer, "<2de> a"));
  EXPECT_THAT(with_language, HasSubstr("<2de>"));

  folder.Write("special_tokens_map.json", R"({"additional_special_tokens": ["<2de>"]})");
  tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Decode(Encode(**tokenizer, "<2de> a")), "a");

  folder.Write("tokenizer_config.json", R"({"extra_ids": 0, "eos_token": "<2de>"})");
  tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Piece(Encode(**tokenizer, "").back()), "<2de>");
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

// vocab.json and merges.txt that know "a", " a" and little else.
void WriteByteLevelFiles(const TemporaryFolder& folder) {
  folder.Write("vocab.json",
               R"({"<s>": 0, "<pad>": 1, "</s>": 2, "a": 3, "Ġ": 4, "Ġa": 5, "é": 6})");
  folder.Write("merges.txt", "#version: 0.2\nĠ a\n");
}

std::unique_ptr<Tokenizer> LoadOfFamily(const std::string& folder, const std::string& family) {
  ModelSpec spec;
  spec.family = family;
  spec.vocab_size = 5000;
  auto tokenizer = LoadTokenizer(folder, spec);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(LoadByteLevelTest, TheClassDecidesHowTextIsWrapped) {
  const TemporaryFolder folder;
  WriteByteLevelFiles(folder);
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "bart"), "a a"), ElementsAre(0, 3, 5, 2));
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "blenderbot"), "a a"), ElementsAre(5, 5));
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "BlenderbotTokenizerFast"})");
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "bart"), "a a"), ElementsAre(5, 5));
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "t5"), "a a"), ElementsAre(0, 3, 5, 2));
}

TEST(LoadByteLevelTest, OtherClassesAreRefusedByName) {
  const TemporaryFolder folder;
  WriteByteLevelFiles(folder);
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "BlenderbotSmallTokenizer"})");
  const absl::Status status = Load(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(HasSubstr(folder.path()), HasSubstr("\"BlenderbotSmallTokenizer\"")));
}

TEST(LoadByteLevelTest, TheConfigDecidesOnSpacesAndEos) {
  const TemporaryFolder folder;
  WriteByteLevelFiles(folder);
  folder.Write("tokenizer_config.json", R"({"add_prefix_space": true, "add_eos_token": true})");
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "bart"), "a"), ElementsAre(0, 5, 2));
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "blenderbot"), "a"), ElementsAre(5, 2));
  folder.Write("tokenizer_config.json", R"({"add_prefix_space": false, "add_bos_token": true})");
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "blenderbot"), "a"), ElementsAre(0, 3));
}

TEST(LoadByteLevelTest, SpecialTokensThatTheVocabularyLacksFollowIt) {
  const TemporaryFolder folder;
  WriteByteLevelFiles(folder);
  const auto tokenizer = LoadOfFamily(folder.path(), "bart");
  EXPECT_EQ(tokenizer->Piece(7), "<unk>");
  EXPECT_EQ(tokenizer->Piece(8), "<mask>");
  EXPECT_EQ(tokenizer->vocab_size(), 9);
  EXPECT_THAT(Encode(*tokenizer, "a <mask>"), ElementsAre(0, 3, 4, 8, 2));
  folder.Write("special_tokens_map.json", R"({"mask_token": {"content": "[m]", "lstrip": true},
                                              "additional_special_tokens": ["[x]"]})");
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "bart"), "a [m][x]"), ElementsAre(0, 3, 8, 9, 2));
}

TEST(LoadByteLevelTest, NewTokensAreNumberedByTheCountOfPieces) {
  const TemporaryFolder folder;
  WriteByteLevelFiles(folder);
  folder.Write("vocab.json",
               R"({"<s>": 0, "<pad>": 1, "</s>": 20, "a": 3, "Ġ": 4, "Ġa": 5, "é": 6})");
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "bart"), "a<unk><mask>"),
              ElementsAre(0, 3, 7, 8, 20));
}

TEST(LoadByteLevelTest, CharactersOutsideTheVocabularyAreDropped) {
  const TemporaryFolder folder;
  WriteByteLevelFiles(folder);
  EXPECT_THAT(Encode(*LoadOfFamily(folder.path(), "bart"), "xa漢a"), ElementsAre(0, 3, 3, 2));
}

TEST(LoadByteLevelTest, TextIsNotCleanedUp) {
  const TemporaryFolder folder;
  folder.Copy(std::string(kData) + "bart_json");
  const std::vector<TokenId> ids = Encode(*LoadOfFamily(folder.path(), "bart"), "do n't .");
  folder.Write("tokenizer_config.json", R"({"clean_up_tokenization_spaces": true})");
  EXPECT_EQ(LoadOfFamily(folder.path(), "bart")->Decode(ids), "do n't .");
}

TEST(LoadByteLevelTest, BytesWaitForTheirCharacter) {
  const auto tokenizer = Load(std::string(kData) + "bart_json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text = "😀";
  // A byte by its own token, whatever merges there are.
  std::vector<TokenId> bytes;
  for (TokenId id = 0; id < (*tokenizer)->vocab_size() && bytes.size() < text.size(); ++id) {
    for (const char* character : {"ð", "Ł", "ĺ", "Ģ"}) {
      if ((*tokenizer)->Piece(id) == character) bytes.push_back(id);
    }
  }
  const auto id_of = [&](std::string_view piece) {
    for (const TokenId id : bytes) {
      if ((*tokenizer)->Piece(id) == piece) return id;
    }
    return TokenId{-1};
  };
  const auto detokenizer = (*tokenizer)->NewDetokenizer();
  EXPECT_EQ(detokenizer->Append({id_of("ð")}), "");
  EXPECT_EQ(detokenizer->Append({id_of("Ł"), id_of("ĺ")}), "");
  EXPECT_EQ(detokenizer->Append({id_of("Ģ")}), text);
  EXPECT_EQ(detokenizer->Append({id_of("Ģ"), id_of("ð"), id_of("Ł")}), "\uFFFD");
  EXPECT_EQ(detokenizer->Append({id_of("ð")}), "\uFFFD");  // for both bytes before it
  EXPECT_EQ(detokenizer->Finish(), "\uFFFD");
}

TEST(LoadTokenizerTest, TokensOfSingleWords) {
  const TemporaryFolder folder;
  folder.Copy(std::string(kData) + "t5_json");
  folder.Remove("golden.json");
  std::string json = ReadBytes(std::string(kData) + "t5_json/tokenizer.json");
  const std::string list = "\"added_tokens\":[";
  json.insert(
      json.find(list) + list.size(),
      R"({"id":600,"content":"[w]","single_word":true,"normalized":false,"special":false},)");
  folder.Write("tokenizer.json", json);
  const auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto has_token = [&](std::string_view text) {
    const std::vector<TokenId> ids = Encode(**tokenizer, text);
    return std::find(ids.begin(), ids.end(), 600) != ids.end();
  };
  for (const char* text : {"[w]", " [w] ", "([w])", "[w][w]", "é. [w]-é", "😀[w]😀"}) {
    EXPECT_TRUE(has_token(text)) << text;
  }
  for (const char* text :
       {"a[w]", "[w]a", "é[w]", "[w]é", "1[w]", "_[w]", "[w]\u0301", "\u200D[w]"}) {
    EXPECT_FALSE(has_token(text)) << text;
  }
}

TEST(LoadTokenizerTest, InvalidTextCountsAsReplacementCharacters) {
  for (const char* name : {"t5_json", "t5_spiece_bytes", "byt5", "bart_json"}) {
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
