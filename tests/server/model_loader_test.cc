#include "server/model_loader.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/model_description.h"
#include "server/request_reader.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_folder.h"

namespace transept::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<Model> Load(const std::string& path) {
  config::ModelConfig config;
  config.path = path;
  config.engine.kv_cache_mib = 1;
  return LoadModel(config);
}

TEST(ModelLoaderTest, AModelWhoseTokenizerCannotBeReadTakesTokenIds) {
  const test::TempFolder folder;
  std::filesystem::copy("tests/data/goldens/bart", folder.path(),
                        std::filesystem::copy_options::recursive);
  folder.Write("tokenizer.json", R"({"model": {"type": "Unheard-of", "vocab": {}}})");
  const auto model = Load(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->tokenizer, nullptr);

  v1::GenerateRequest request;
  request.mutable_source()->set_text("some text");
  EXPECT_THAT(std::string(ReadRequest(request, *model, /*seed=*/1).status().message()),
              HasSubstr("has no tokenizer; send token ids"));
  request.mutable_source()->mutable_tokens()->add_ids(5);
  EXPECT_TRUE(ReadRequest(request, *model, /*seed=*/1).ok());
}

TEST(ModelLoaderTest, BadWordsOfTheSettingsHoldUnlessARequestHasItsOwn) {
  config::ModelConfig config;
  config.path = "models/itn-en-small";
  config.engine.kv_cache_mib = 1;
  config.generation.bad_words = {{"dollars"}};
  const auto model = LoadModel(config);
  ASSERT_TRUE(model.ok()) << model.status();
  v1::GenerateRequest request;
  request.mutable_source()->set_text("some text");
  const auto words = [&] { return ReadRequest(request, *model, /*seed=*/1)->params.bad_words; };
  const auto dollars = ReadBadWords({"dollars"}, *model);
  ASSERT_TRUE(dollars.ok() && !dollars->empty()) << dollars.status();
  EXPECT_EQ(words(), *dollars);
  request.mutable_options()->mutable_bad_words()->add_values("euros");
  EXPECT_EQ(words(), *ReadBadWords({"euros"}, *model));
  request.mutable_options()->mutable_bad_words()->clear_values();
  EXPECT_THAT(words(), ::testing::IsEmpty());
  v1::Model description;
  Describe(*model, &description);
  EXPECT_EQ(description.default_options().bad_words_ids().values_size(),
            static_cast<int>(dollars->size()));

  config.generation.bad_words = {{""}};
  EXPECT_THAT(std::string(LoadModel(config).status().message()),
              HasSubstr("the default options of model itn-en-small: options.bad_words[0]"));
}

TEST(ModelLoaderTest, SourceAndTargetHaveTheirOwnVocabularies) {
  const auto model = Load("tests/data/goldens/marian_two_vocabularies");
  ASSERT_TRUE(model.ok()) << model.status();
  v1::GenerateRequest request;
  request.mutable_source()->mutable_tokens()->add_ids(96);
  EXPECT_TRUE(ReadRequest(request, *model, /*seed=*/1).ok());
  request.mutable_target_prefix()->mutable_tokens()->add_ids(83);
  EXPECT_THAT(std::string(ReadRequest(request, *model, /*seed=*/1).status().message()),
              HasSubstr("not between 0 and 82"));
}

TEST(ModelLoaderTest, ALengthAboveTheServersIsCutWithAWarning) {
  const test::TempFolder folder;
  std::filesystem::copy("tests/data/goldens/bart", folder.path());
  config::ModelConfig config;
  config.path = folder.path();
  config.name = "long";
  config.engine.kv_cache_mib = 8;
  config.engine.max_new_tokens = 20;
  const auto warnings = [&](const std::string& defaults) {
    folder.Write("generation_config.json", defaults);
    const LogCapture log(spdlog::level::warn);
    const auto model = LoadModel(config);
    EXPECT_TRUE(model.ok()) << model.status();
    return log.text();
  };
  EXPECT_THAT(warnings(R"({"max_length": 21})"), Not(HasSubstr("the default of model")));
  EXPECT_THAT(
      warnings(R"({"max_length": 22})"),
      HasSubstr("warning: the default of model long, 21 new tokens, is above what it can generate "
                "here, 20: requests that name no length get the latter"));
  config.engine.max_new_tokens = 400;  // of 200 positions
  EXPECT_THAT(warnings(R"({"max_new_tokens": 300})"), HasSubstr("can generate here, 200"));
}

}  // namespace
}  // namespace transept::server
