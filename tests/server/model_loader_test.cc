#include "server/model_loader.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/request_reader.h"
#include "tests/support/temp_folder.h"

namespace transept::server {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace transept::server
