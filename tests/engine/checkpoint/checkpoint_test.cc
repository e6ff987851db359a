#include "engine/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>

#include "absl/strings/str_replace.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temp_folder.h"

namespace transept {
namespace {

using kernels::ActivationFunction;
using kernels::DataType;
using test::ConfigJson;
using test::FileTensors;
using test::RandomTensorsOf;
using test::SafetensorsBytes;
using test::TempFolder;
using test::TinySpec;
using test::WriteCheckpoint;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

std::unique_ptr<Checkpoint> Open(const TempFolder& folder) {
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(folder.path());
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? *std::move(checkpoint) : nullptr;
}

std::string OpenError(const TempFolder& folder) {
  const absl::Status status = Checkpoint::Open(folder.path()).status();
  EXPECT_FALSE(status.ok());
  return std::string(status.message());
}

void ExpectEqual(const StackSpec& a, const StackSpec& b) {
  EXPECT_EQ(a.num_layers, b.num_layers);
  EXPECT_EQ(a.num_heads, b.num_heads);
  EXPECT_EQ(a.num_kv_heads, b.num_kv_heads);
  EXPECT_EQ(a.head_size, b.head_size);
  EXPECT_EQ(a.ffn_size, b.ffn_size);
  EXPECT_EQ(a.attention_scale, b.attention_scale);
  EXPECT_EQ(a.relative_positions.num_buckets, b.relative_positions.num_buckets);
  EXPECT_EQ(a.relative_positions.max_distance, b.relative_positions.max_distance);
  EXPECT_EQ(a.relative_positions.per_layer, b.relative_positions.per_layer);
}

void ExpectEqual(const ModelSpec& a, const ModelSpec& b) {
  EXPECT_EQ(a.family, b.family);
  EXPECT_EQ(a.vocab_size, b.vocab_size);
  EXPECT_EQ(a.d_model, b.d_model);
  ExpectEqual(a.encoder, b.encoder);
  ExpectEqual(a.decoder, b.decoder);
  EXPECT_EQ(a.activation, b.activation);
  EXPECT_EQ(a.gated_ffn, b.gated_ffn);
  EXPECT_EQ(a.output_scale, b.output_scale);
  EXPECT_EQ(a.tied_embeddings, b.tied_embeddings);
  EXPECT_EQ(a.decoder_start_token, b.decoder_start_token);
  EXPECT_EQ(a.pad_token, b.pad_token);
  EXPECT_EQ(a.eos_tokens, b.eos_tokens);
}

// A folder with the default tiny checkpoint, to be spoiled.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { WriteCheckpoint(TinySpec(), DataType::kFloat32, 1, folder_.path()); }

  void WriteTensors(const FileTensors& tensors) {
    folder_.Write("model.safetensors", SafetensorsBytes(tensors));
  }
  FileTensors Tensors() { return RandomTensorsOf(TinySpec(), DataType::kFloat32, 1); }

  TempFolder folder_;
};

TEST(CheckpointRoundTripTest, EveryVariantOfTheFamilyOpens) {
  std::vector<ModelSpec> specs(6, TinySpec());
  specs[1].tied_embeddings = true;
  specs[1].output_scale = 1.0f / std::sqrt(static_cast<float>(specs[1].d_model));
  specs[1].activation = ActivationFunction::kRelu;
  specs[1].gated_ffn = false;
  specs[2].family = "mt5";
  specs[2].decoder.num_layers = 5;
  specs[3].family = "umt5";
  specs[3].output_scale = specs[1].output_scale;
  specs[3].encoder.relative_positions.per_layer = true;
  specs[3].decoder.relative_positions.per_layer = true;
  specs[4].activation = ActivationFunction::kSilu;
  specs[4].eos_tokens = {2, 7};
  specs[4].decoder_start_token = 3;
  specs[5].activation = ActivationFunction::kGelu;
  const DataType types[] = {DataType::kFloat32, DataType::kBFloat16, DataType::kFloat16};
  for (size_t i = 0; i < specs.size(); ++i) {
    SCOPED_TRACE(i);
    const DataType dtype = types[i % 3];
    TempFolder folder;
    WriteCheckpoint(specs[i], dtype, i, folder.path());
    const auto checkpoint = Open(folder);
    ASSERT_NE(checkpoint, nullptr);
    ExpectEqual(checkpoint->spec(), specs[i]);
    EXPECT_EQ(checkpoint->spec().stored_dtype, dtype);
    EXPECT_EQ(checkpoint->folder(), folder.path());
    for (const auto& [name, tensor] : RandomTensorsOf(specs[i], dtype, i)) {
      const auto view = checkpoint->tensors().Find(name, tensor.shape);
      ASSERT_TRUE(view.ok()) << view.status();
      EXPECT_EQ(std::memcmp(view->data, tensor.bytes.data(), tensor.bytes.size()), 0) << name;
    }
  }
}

TEST_F(CheckpointTest, GenerationConfigGoesBeforeConfig) {
  folder_.Write("config.json", absl::StrReplaceAll(ConfigJson(TinySpec()),
                                                   {{"{\"model_type\"",
                                                     "{\"num_beams\": 4, \"penalty_alpha\": 0.5, "
                                                     "\"max_length\": 9, \"model_type\""}}));
  folder_.Write("generation_config.json",
                R"({"max_length": 7, "decoder_start_token_id": 5, "eos_token_id": [6, 2]})");
  const auto checkpoint = Open(folder_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_THAT(checkpoint->generation().max_length, Optional(7));
  EXPECT_EQ(checkpoint->generation().num_beams, std::nullopt);
  EXPECT_EQ(checkpoint->spec().decoder_start_token, 5);
  EXPECT_THAT(checkpoint->spec().eos_tokens, ElementsAre(6, 2));
}

TEST_F(CheckpointTest, WhatWasMadeOfAnOldConfigForcesBosUnderItsOldName) {
  for (const bool made : {true, false}) {
    folder_.Write("generation_config.json",
                  absl::StrCat(R"({"force_bos_token_to_be_generated": true, "bos_token_id": 9,
                                   "_from_model_config": )",
                               made ? "true}" : "false}"));
    const auto checkpoint = Open(folder_);
    ASSERT_NE(checkpoint, nullptr);
    EXPECT_EQ(checkpoint->generation().forced_bos_token_id,
              made ? std::optional<TokenId>(9) : std::nullopt);
  }
}

TEST_F(CheckpointTest, OlderFoldersKeepGenerationFieldsInConfig) {
  std::filesystem::remove(folder_ / "generation_config.json");
  folder_.Write("config.json", absl::StrReplaceAll(ConfigJson(TinySpec()),
                                                   {{"{\"model_type\"",
                                                     "{\"num_beams\": 4, \"max_length\": 9, "
                                                     "\"model_type\""}}));
  const auto checkpoint = Open(folder_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_THAT(checkpoint->generation().max_length, Optional(9));
  EXPECT_THAT(checkpoint->generation().num_beams, Optional(4));
  EXPECT_THAT(checkpoint->spec().eos_tokens, ElementsAre(1));
}

TEST_F(CheckpointTest, AnOwnOutputProjectionIsUsedWhateverTheFlagSays) {
  const auto checkpoint = Open(folder_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_FALSE(checkpoint->spec().tied_embeddings);
  EXPECT_EQ(checkpoint->names().output, "lm_head.weight");
}

TEST_F(CheckpointTest, AMissingOrEqualOutputProjectionIsTied) {
  FileTensors tensors = Tensors();
  tensors["lm_head.weight"] = tensors["shared.weight"];
  WriteTensors(tensors);
  EXPECT_TRUE(Open(folder_)->spec().tied_embeddings);
  tensors.erase("lm_head.weight");
  WriteTensors(tensors);
  const auto checkpoint = Open(folder_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_TRUE(checkpoint->spec().tied_embeddings);
  EXPECT_EQ(checkpoint->names().output, "shared.weight");
  EXPECT_EQ(checkpoint->spec().output_scale, 1.0f) << "the scale is config.json's business";
}

TEST_F(CheckpointTest, FindsTheEmbeddingUnderAnyOfItsNames) {
  const FileTensors tensors = Tensors();
  for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    FileTensors renamed = tensors;
    renamed[name] = renamed["shared.weight"];
    WriteTensors(renamed);
    EXPECT_EQ(Open(folder_)->names().decoder.embedding, "shared.weight");
    renamed.erase("shared.weight");
    WriteTensors(renamed);
    EXPECT_EQ(Open(folder_)->names().decoder.embedding, name);
    EXPECT_EQ(Open(folder_)->names().output, "lm_head.weight");
  }
  FileTensors only_output = tensors;
  only_output.erase("shared.weight");
  WriteTensors(only_output);
  const auto checkpoint = Open(folder_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->names().decoder.embedding, "lm_head.weight");
  EXPECT_EQ(checkpoint->names().output, "lm_head.weight");
  EXPECT_TRUE(checkpoint->spec().tied_embeddings);
}

TEST_F(CheckpointTest, RefusesSeparateEmbeddings) {
  FileTensors tensors = Tensors();
  tensors["decoder.embed_tokens.weight"] = tensors["lm_head.weight"];
  WriteTensors(tensors);
  EXPECT_THAT(OpenError(folder_),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("decoder.embed_tokens.weight"),
                    HasSubstr("shared.weight")));
}

TEST_F(CheckpointTest, RefusesAVocabularyThatDoesNotMatchTheEmbedding) {
  ModelSpec spec = TinySpec();
  spec.vocab_size += 8;
  folder_.Write("config.json", ConfigJson(spec));
  EXPECT_THAT(OpenError(folder_), AllOf(HasSubstr("model.safetensors"), HasSubstr("shared.weight"),
                                        HasSubstr("[40, 12]"), HasSubstr("[48, 12]")));
}

TEST_F(CheckpointTest, UnknownArchitecturesNameTheSupportedOnes) {
  folder_.Write("config.json", R"({"model_type": "led"})");
  EXPECT_THAT(OpenError(folder_),
              AllOf(HasSubstr("config.json: model_type is \"led\""), HasSubstr("t5, mt5, umt5")));
  folder_.Write("config.json", "{}");
  EXPECT_THAT(OpenError(folder_), HasSubstr("config.json: model_type is absent"));
}

TEST_F(CheckpointTest, RefusesConfigsThatAreNoReadableObject) {
  folder_.Write("config.json", "[]");
  EXPECT_THAT(OpenError(folder_), HasSubstr("config.json"));
  folder_.Write("config.json", "");
  EXPECT_THAT(OpenError(folder_), HasSubstr("config.json: not valid JSON"));
  folder_.Write("config.json", std::string(100000, '['));
  EXPECT_THAT(OpenError(folder_), HasSubstr("levels deep"));
  folder_.Write("config.json", std::string(8 << 20, ' '));
  EXPECT_THAT(OpenError(folder_), HasSubstr("the limit is"));
  std::filesystem::remove(folder_ / "config.json");
  std::filesystem::create_directory(folder_ / "config.json");
  EXPECT_THAT(OpenError(folder_), HasSubstr("config.json: not a regular file"));
}

TEST_F(CheckpointTest, ABrokenGenerationConfigIsNotAMissingOne) {
  folder_.Write("generation_config.json", "{");
  EXPECT_THAT(OpenError(folder_), HasSubstr("generation_config.json: not valid JSON"));
  folder_.Write("generation_config.json", "[]");
  EXPECT_THAT(OpenError(folder_), HasSubstr("generation_config.json"));
  std::filesystem::remove(folder_ / "generation_config.json");
  std::filesystem::create_symlink("nowhere", folder_ / "generation_config.json");
  EXPECT_THAT(OpenError(folder_), HasSubstr("generation_config.json: symbolic link to nowhere"));
}

TEST(CheckpointFolderTest, MissingFoldersAreNotFound) {
  TempFolder folder;
  EXPECT_EQ(Checkpoint::Open(folder / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Checkpoint::Open(folder.path()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace transept
