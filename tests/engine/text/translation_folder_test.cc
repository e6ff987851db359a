// Folders of the classes with languages: damaged files, names of languages, defaults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "engine/text/languages.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/text/temporary_folder.h"

namespace transept {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& folder,
                                                int32_t vocab_size = 1000) {
  ModelSpec spec;
  spec.vocab_size = vocab_size;
  return LoadTokenizer(folder, spec);
}

// A copy of a folder of goldens, in which one file is replaced.
class DamagedFolder {
 public:
  DamagedFolder(const std::string& name, const std::string& file, std::string_view content) {
    std::filesystem::copy("tests/data/translation/" + name, folder_.path(),
                          std::filesystem::copy_options::recursive);
    folder_.Write(file, content);
  }
  std::string message() const { return std::string(Load(folder_.path()).status().message()); }

 private:
  const TemporaryFolder folder_;
};

// Ids and texts of transformers 5.17, which saved these fields after add_tokens.
TEST(TranslationFolderTest, PLBartHasTheTokensThatWereAdded) {
  const TemporaryFolder folder;
  folder.Copy("tests/data/translation/plbart_v5");
  folder.Write("tokenizer_config.json",
               R"({"tokenizer_class": "PLBartTokenizer", "language_codes": "base",
                   "clean_up_tokenization_spaces": true, "added_tokens_decoder": {
                     "605": {"content": "<indent>", "normalized": true, "special": false}}})");
  folder.Write("added_tokens.json", R"({"[user]": 606})");
  const auto tokenizer = Load(folder.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("a<indent>b"), ElementsAre(7, 605, 23, 2));
  EXPECT_THAT(*(*tokenizer)->Encode("a <indent> b[user]"), ElementsAre(7, 605, 23, 606, 2));
  EXPECT_EQ((*tokenizer)->Decode({605, 606}), "<indent>[user]");
  EXPECT_EQ((*tokenizer)->Decode({7, 605, 23, 2}), "a<indent> b");
}

TEST(TranslationFolderTest, ErrorsNameFileAndField) {
  const struct {
    const char* folder;
    const char* file;
    const char* content;
    const char* message;
  } cases[] = {
      {"marian_v4", "vocab.json", R"({"</s>": 0, "<unk>": 1, "a": 1000})", "vocab.json: a is 1000"},
      {"marian_v4", "vocab.json", R"({"</s>": 0, "<unk>": -1})", "vocab.json: <unk> is -1"},
      {"marian_v4", "vocab.json", R"({"</s>": 0, "a": 1})", "vocab.json: <unk> is absent"},
      {"marian_v4", "vocab.json", R"({"<unk>": 0, "a": 1})", "tokenizer_config.json: eos_token"},
      {"marian_v4", "vocab.json", R"(["<unk>"])", "vocab.json: the document"},
      {"marian_v4", "source.spm", "damaged", "source.spm: not a SentencePiece model"},
      {"marian_v4", "target.spm", "damaged", "target.spm: not a SentencePiece model"},
      {"marian_separate_v5", "target_vocab.json", R"({"<unk>": 5000})",
       "target_vocab.json: <unk> is 5000"},
      {"m2m100_v4", "tokenizer_config.json",
       R"({"tokenizer_class": "M2M100Tokenizer", "language_codes": "m2m101"})",
       "tokenizer_config.json: language_codes is \"m2m101\""},
      {"m2m100_v4", "tokenizer_config.json",
       R"({"tokenizer_class": "M2M100Tokenizer", "src_lang": "eng"})",
       "tokenizer_config.json: src_lang is \"eng\""},
      {"mbart50_v4", "tokenizer_config.json",
       R"({"tokenizer_class": "MBart50Tokenizer", "tgt_lang": 7})",
       "tokenizer_config.json: tgt_lang is 7"},
      {"nllb_v4", "tokenizer_config.json",
       R"({"tokenizer_class": "NllbTokenizer", "legacy_behaviour": "no"})",
       "tokenizer_config.json: legacy_behaviour is \"no\""},
      {"pegasus_v4", "tokenizer_config.json",
       R"({"tokenizer_class": "PegasusTokenizer", "offset": 99999999})",
       "tokenizer_config.json: offset is 99999999"},
      {"pegasus_v5", "tokenizer.json", R"({"model": {"type": "Unigram"}})",
       "tokenizer.json: model"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(DamagedFolder(c.folder, c.file, c.content).message(), HasSubstr(c.message))
        << c.folder << ": " << c.content;
  }
}

TEST(TranslationFolderTest, AMissingFileIsNamed) {
  const TemporaryFolder folder;
  folder.Write("tokenizer_config.json", R"({"tokenizer_class": "MarianTokenizer"})");
  const absl::Status status = Load(folder.path()).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("vocab.json"));
}

TEST(TranslationFolderTest, AVocabularyLargerThanTheModelsIsRefused) {
  EXPECT_THAT(std::string(Load("tests/data/translation/mbart_v4", 420).status().message()),
              HasSubstr("vocab_size is 420"));
}

TEST(TranslationFolderTest, TheFamilyDecidesWhereNoClassIsNamed) {
  const TemporaryFolder folder;
  std::filesystem::copy("tests/data/translation/marian_v4", folder.path(),
                        std::filesystem::copy_options::recursive);
  folder.Write("tokenizer_config.json", "{}");
  ModelSpec spec;
  spec.vocab_size = 1000;
  spec.family = "marian";
  const auto tokenizer = LoadTokenizer(folder.path(), spec);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_NE((*tokenizer)->languages(), nullptr);
}

TEST(TranslationFolderTest, DefaultsComeFromTheConfiguration) {
  const auto m2m100 = Load("tests/data/translation/m2m100_v5");
  ASSERT_TRUE(m2m100.ok()) << m2m100.status();
  EXPECT_EQ((*m2m100)->languages()->source, "fr");
  EXPECT_EQ((*m2m100)->languages()->target, "de");
  EXPECT_EQ((*m2m100)->languages()->target_mark, TargetMark::kFirstToken);
  const auto mbart = Load("tests/data/translation/mbart_v5");
  ASSERT_TRUE(mbart.ok()) << mbart.status();
  EXPECT_EQ((*mbart)->languages()->source, "ro_RO");
  EXPECT_EQ((*mbart)->languages()->target, "");
  EXPECT_EQ((*mbart)->languages()->target_mark, TargetMark::kDecoderStart);
}

TEST(WrittenLanguagesTest, TheTargetsTokenIsWrittenBeforeTheText) {
  const auto madlad = Load("tests/data/translation/madlad_v4");
  ASSERT_TRUE(madlad.ok()) << madlad.status();
  const Languages* languages = (*madlad)->languages();
  ASSERT_NE(languages, nullptr);
  EXPECT_FALSE(languages->mark_source);
  EXPECT_EQ(languages->target_mark, TargetMark::kSource);
  EXPECT_THAT(languages->tokens, ElementsAre(Key("Arab"), Key("back_translated"), Key("de"),
                                             Key("en"), Key("fr"), Key("zh_Latn")));
  EXPECT_EQ(*(*madlad)->EncodeSource("a", {"", "de"}), *(*madlad)->Encode("<2de> a"));
  EXPECT_EQ(*(*madlad)->EncodeSource("a", {"", "<2de>"}), *(*madlad)->Encode("<2de> a"));
  EXPECT_EQ(*(*madlad)->EncodeSource("a", {}), *(*madlad)->Encode("a"));
  EXPECT_THAT(std::string((*madlad)->EncodeSource("a", {"", "d"}).status().message()),
              HasSubstr("near it are \"de\""));
}

TEST(WrittenLanguagesTest, OtherT5TokenizersHaveNone) {
  for (const char* name : {"t5_spiece", "t5_json"}) {
    const auto t5 = Load(std::string("tests/data/text/") + name);
    ASSERT_TRUE(t5.ok()) << t5.status();
    EXPECT_EQ((*t5)->languages(), nullptr) << name;
  }
}

TEST(LanguagesTest, NamesMayBeSpelledAsTokens) {
  Languages languages;
  languages.tokens = {{"en", 7}, {"fra", 8}};
  EXPECT_EQ(*languages.Find("<2en>"), 7);
  EXPECT_EQ(*languages.Find("en"), 7);
  EXPECT_EQ(*languages.Find("__en__"), 7);
  EXPECT_EQ(*languages.Find(">>fra<<"), 8);
  EXPECT_FALSE(languages.Find("__").ok());
  EXPECT_FALSE(languages.Find("").ok());
}

TEST(LanguagesTest, UnknownNamesGetTheNearestOnes) {
  Languages languages;
  for (const char* name : {"deu_Latn", "eng_Latn", "fra_Latn", "zho_Hans", "zho_Hant"}) {
    languages.tokens.emplace(name, 1);
  }
  const auto message = [&](std::string_view name) {
    return std::string(languages.Find(name).status().message());
  };
  EXPECT_THAT(message("zho_Han"), AllOf(HasSubstr("\"zho_Han\""), HasSubstr("5 languages"),
                                        HasSubstr("near it are \"zho_Hans\", \"zho_Hant\"")));
  EXPECT_THAT(message("eng_latn"), HasSubstr("near it are \"eng_Latn\""));
  EXPECT_THAT(message("FR"), HasSubstr("near it are \"fra_Latn\""));
  EXPECT_THAT(message("zh_CN"), HasSubstr("near it are \"zho_Hans\", \"zho_Hant\""));
  EXPECT_LT(message(std::string(100000, 'x')).size(), 500u);
}

}  // namespace
}  // namespace transept
