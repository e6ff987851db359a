// The families that transformers made after BART: configurations as published, names, and what the
// tensors of a file settle.
#include "engine/checkpoint/bart_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

using kernels::ActivationFunction;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<ModelSpec> ReadSpec(const Family& family, std::string_view text) {
  const absl::StatusOr<JsonDocument> json =
      JsonDocument::Parse(text, "dir/config.json", kConfigLimits);
  if (!json.ok()) return json.status();
  ConfigFields fields(json->root());
  ModelSpec spec = family.read_config(fields);
  if (!fields.status().ok()) return fields.status();
  return spec;
}

ModelSpec Spec(const Family& family, std::string_view text) {
  absl::StatusOr<ModelSpec> spec = ReadSpec(family, text);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return *std::move(spec);
}

std::string SpecError(const Family& family, std::string_view text) {
  const absl::StatusOr<ModelSpec> spec = ReadSpec(family, text);
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(spec.status().message());
}

// Tensors of one row each that hold one number: equal numbers, equal tensors.
class FewTensors final : public TensorSource {
 public:
  explicit FewTensors(std::map<std::string, float> tensors) : tensors_(std::move(tensors)) {}
  bool Contains(const std::string& name) const override { return tensors_.count(name) != 0; }
  std::string Origin(const std::string&) const override { return "some.safetensors"; }
  absl::StatusOr<TensorView> Find(const std::string& name,
                                  absl::Span<const int64_t> shape) const override {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    auto values = std::make_shared<std::vector<float>>(count, tensors_.at(name));
    return TensorView{.data = values->data(),
                      .dtype = kernels::DataType::kFloat32,
                      .shape = {shape.begin(), shape.end()},
                      .storage = values};
  }

 private:
  const std::map<std::string, float> tensors_;
};

constexpr char kTiny[] = R"({"vocab_size": 7, "d_model": 4, "encoder_layers": 2,
  "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 1,
  "decoder_start_token_id": 2)";

std::string Tiny(std::string_view more = "") {
  return absl::StrCat(kTiny, absl::string_view(more.data(), more.size()), "}");
}

TEST(BartLayoutConfigTest, ReadsBart) {
  // facebook/bart-large-cnn, shortened.
  const ModelSpec spec = Spec(kBart, R"({"activation_function": "gelu", "bos_token_id": 0,
      "d_model": 1024, "decoder_attention_heads": 16, "decoder_ffn_dim": 4096,
      "decoder_layers": 12, "decoder_start_token_id": 2, "encoder_attention_heads": 16,
      "encoder_ffn_dim": 4096, "encoder_layers": 12, "eos_token_id": 2,
      "force_bos_token_to_be_generated": true, "forced_bos_token_id": 0,
      "is_encoder_decoder": true, "max_position_embeddings": 1024, "normalize_before": false,
      "num_hidden_layers": 12, "pad_token_id": 1, "scale_embedding": false,
      "vocab_size": 50264})");
  EXPECT_EQ(spec.vocab_size, 50264);
  EXPECT_EQ(spec.source_vocab_size(), 50264);
  EXPECT_EQ(spec.d_model, 1024);
  EXPECT_EQ(spec.encoder.head_size, 64);
  EXPECT_FLOAT_EQ(spec.encoder.attention_scale, 0.125f);
  EXPECT_EQ(spec.decoder.num_layers, 12);
  EXPECT_EQ(spec.decoder.ffn_size, 4096);
  EXPECT_EQ(spec.norm, kernels::NormKind::kLayer);
  EXPECT_EQ(spec.norm_placement, NormPlacement::kAfter);
  EXPECT_FLOAT_EQ(spec.norm_eps, 1e-5f);
  EXPECT_EQ(spec.activation, ActivationFunction::kGelu);
  EXPECT_TRUE(spec.biases && spec.embedding_norm);
  EXPECT_EQ(spec.embedding_scale, 1.0f);
  EXPECT_EQ(spec.positions.kind, PositionKind::kLearned);
  EXPECT_EQ(spec.positions.offset, 2);
  EXPECT_EQ(spec.max_source_positions, 1024);
  EXPECT_EQ(spec.max_target_positions, 1024);
  EXPECT_EQ(spec.decoder_start_token, 2);
  EXPECT_EQ(spec.pad_token, 1);
  EXPECT_THAT(spec.eos_tokens, ElementsAre(2));
}

TEST(BartLayoutConfigTest, ReadsMarian) {
  // Helsinki-NLP/opus-mt-en-de, shortened.
  const ModelSpec spec = Spec(kMarian, R"({"activation_function": "swish", "d_model": 512,
      "decoder_attention_heads": 8, "decoder_ffn_dim": 2048, "decoder_layers": 6,
      "decoder_start_token_id": 58100, "decoder_vocab_size": 58101, "encoder_attention_heads": 8,
      "encoder_ffn_dim": 2048, "encoder_layers": 6, "eos_token_id": 0,
      "max_position_embeddings": 512, "pad_token_id": 58100, "scale_embedding": true,
      "static_position_embeddings": true, "vocab_size": 58101})");
  EXPECT_EQ(spec.norm_placement, NormPlacement::kAfter);
  EXPECT_FALSE(spec.embedding_norm);
  EXPECT_EQ(spec.activation, ActivationFunction::kSilu);
  EXPECT_FLOAT_EQ(spec.embedding_scale, std::sqrt(512.0f));
  EXPECT_EQ(spec.positions.kind, PositionKind::kSinusoidMarian);
  EXPECT_EQ(spec.positions.offset, 0);
  EXPECT_EQ(spec.encoder_vocab_size, 0);
  EXPECT_EQ(spec.decoder_start_token, 58100);
  EXPECT_THAT(spec.eos_tokens, ElementsAre(0));

  const std::string separate =
      R"({"share_encoder_decoder_embeddings": false, "vocab_size": 90, "pad_token_id": 59,
          "decoder_start_token_id": 59, "decoder_vocab_size": )";
  const ModelSpec two = Spec(kMarian, separate + "60}");
  EXPECT_EQ(two.vocab_size, 60);
  EXPECT_EQ(two.source_vocab_size(), 90);
  EXPECT_THAT(SpecError(kMarian, separate + "59}"), HasSubstr("decoder_vocab_size"));
}

TEST(BartLayoutConfigTest, ReadsTheOthers) {
  const ModelSpec m2m100 = Spec(kM2m100, Tiny(R"(, "pad_token_id": 1)"));
  EXPECT_EQ(m2m100.norm_placement, NormPlacement::kBefore);
  EXPECT_EQ(m2m100.positions.kind, PositionKind::kSinusoidFairseq);
  EXPECT_EQ(m2m100.positions.offset, 2) << "behind the row of padding";
  EXPECT_FLOAT_EQ(m2m100.embedding_scale, 2.0f);
  EXPECT_EQ(m2m100.activation, ActivationFunction::kRelu);

  const ModelSpec mbart = Spec(kMbart, R"({"d_model": 32})");
  EXPECT_EQ(mbart.norm_placement, NormPlacement::kBefore);
  EXPECT_TRUE(mbart.embedding_norm);
  EXPECT_EQ(mbart.decoder_start_token, 0) << "where no language is named: the start of a sequence";

  const ModelSpec blenderbot = Spec(kBlenderbot, R"({})");
  EXPECT_EQ(blenderbot.positions.kind, PositionKind::kLearned);
  EXPECT_EQ(blenderbot.positions.offset, 0);
  EXPECT_FALSE(blenderbot.embedding_norm);

  const ModelSpec pegasus = Spec(kPegasus, R"({})");
  EXPECT_EQ(pegasus.decoder_start_token, 0);
  EXPECT_THAT(pegasus.eos_tokens, ElementsAre(1));

  EXPECT_FLOAT_EQ(Spec(kPlbart, R"({})").embedding_scale, std::sqrt(768.0f));
}

TEST(BartLayoutConfigTest, TransformersGeneralNamesWin) {
  const ModelSpec spec = Spec(kBart, Tiny(R"(, "num_hidden_layers": 3, "num_attention_heads": 4,
                                              "hidden_size": 8)"));
  EXPECT_EQ(spec.d_model, 8);
  EXPECT_EQ(spec.encoder.num_layers, 3);
  EXPECT_EQ(spec.encoder.num_heads, 4);
  EXPECT_EQ(spec.decoder.num_layers, 1);
  EXPECT_EQ(spec.decoder.num_heads, 1);
}

TEST(BartLayoutConfigTest, RefusesWhatWouldChangeTheOutput) {
  EXPECT_THAT(SpecError(kBart, Tiny(R"(, "activation_function": "tanh")")),
              AllOf(HasSubstr("activation_function"), HasSubstr("tanh")));
  EXPECT_THAT(SpecError(kBart, R"({"d_model": 30, "decoder_attention_heads": 4,
                                   "encoder_attention_heads": 3})"),
              AllOf(HasSubstr("decoder_attention_heads"), HasSubstr("30")));
  EXPECT_THAT(SpecError(kBart, R"({"quantization_config": {}})"), HasSubstr("quantization_config"));
  EXPECT_THAT(SpecError(kMarian, R"({"vocab_size": 100})"), HasSubstr("58100"));
  EXPECT_THAT(SpecError(kBart, Tiny(R"(, "eos_token_id": [])")), HasSubstr("eos_token_id"));
  EXPECT_THAT(SpecError(kM2m100, R"({"d_model": 3, "encoder_attention_heads": 1,
                                     "decoder_attention_heads": 1})"),
              HasSubstr("d_model"));
}

TEST(BartLayoutNamesTest, NormsBehindBlocksAreReadByTheNextBlock) {
  const TensorNames names = NameBartTensors(Spec(kBart, Tiny()));
  EXPECT_EQ(names.encoder.embedding, "model.shared.weight");
  EXPECT_EQ(names.decoder.positions, "model.decoder.embed_positions.weight");
  EXPECT_EQ(names.encoder.embedding_norm, "");
  ASSERT_EQ(names.encoder.layers.size(), 2u);
  const LayerTensorNames& first = names.encoder.layers[0];
  EXPECT_EQ(first.self_norm, "model.encoder.layernorm_embedding.weight");
  EXPECT_EQ(first.self_q, "model.encoder.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(BiasName(first.self_q), "model.encoder.layers.0.self_attn.q_proj.bias");
  EXPECT_EQ(first.ffn_norm, "model.encoder.layers.0.self_attn_layer_norm.weight");
  EXPECT_EQ(first.cross_norm, "");
  EXPECT_EQ(names.encoder.layers[1].self_norm, "model.encoder.layers.0.final_layer_norm.weight");
  EXPECT_EQ(names.encoder.norm, "model.encoder.layers.1.final_layer_norm.weight");
  const LayerTensorNames& decoder = names.decoder.layers[0];
  EXPECT_EQ(decoder.cross_norm, "model.decoder.layers.0.self_attn_layer_norm.weight");
  EXPECT_EQ(decoder.ffn_norm, "model.decoder.layers.0.encoder_attn_layer_norm.weight");
  EXPECT_EQ(names.decoder.norm, "model.decoder.layers.0.final_layer_norm.weight");
  EXPECT_EQ(names.output, "model.shared.weight");
  EXPECT_EQ(names.output_bias, "final_logits_bias");

  EXPECT_EQ(NameBartTensors(Spec(kMarian, R"({})")).encoder.layers[0].self_norm, "");
}

TEST(BartLayoutNamesTest, NormsBeforeBlocksAreTheirOwn) {
  const TensorNames names = NameBartTensors(Spec(kMbart, Tiny()));
  EXPECT_EQ(names.encoder.embedding_norm, "model.encoder.layernorm_embedding.weight");
  EXPECT_EQ(names.encoder.layers[0].self_norm,
            "model.encoder.layers.0.self_attn_layer_norm.weight");
  EXPECT_EQ(names.decoder.layers[0].cross_norm,
            "model.decoder.layers.0.encoder_attn_layer_norm.weight");
  EXPECT_EQ(names.decoder.layers[0].ffn_norm, "model.decoder.layers.0.final_layer_norm.weight");
  EXPECT_EQ(names.decoder.norm, "model.decoder.layer_norm.weight");
  EXPECT_EQ(NameBartTensors(Spec(kM2m100, Tiny())).encoder.embedding_norm, "");
}

// The names that the tensors settle for a model of `family`.
TensorNames Settled(const Family& family, const std::string& config,
                    std::map<std::string, float> tensors) {
  ModelSpec spec = Spec(family, config);
  TensorNames names = family.name_tensors(spec);
  const absl::Status status = family.settle_tensors(FewTensors(std::move(tensors)), spec, names);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(spec.tied_embeddings, names.output == names.decoder.embedding);
  return names;
}

TEST(BartLayoutTensorsTest, TiedTablesAreOneWhereverTheyLie) {
  for (const std::string name : {"model.shared.weight", "model.encoder.embed_tokens.weight",
                                 "model.decoder.embed_tokens.weight", "lm_head.weight"}) {
    const TensorNames names = Settled(kBart, Tiny(), {{name, 1.0f}});
    EXPECT_EQ(names.encoder.embedding, name);
    EXPECT_EQ(names.decoder.embedding, name);
    EXPECT_EQ(names.output, name);
    EXPECT_EQ(names.output_bias, "");
  }
  const TensorNames copies = Settled(kBart, Tiny(),
                                     {{"model.shared.weight", 1.0f},
                                      {"model.encoder.embed_tokens.weight", 1.0f},
                                      {"model.decoder.embed_tokens.weight", 1.0f},
                                      {"lm_head.weight", 1.0f},
                                      {"final_logits_bias", 0.0f}});
  EXPECT_EQ(copies.output, "model.shared.weight");
  EXPECT_EQ(copies.encoder.embedding, "model.shared.weight");
  EXPECT_EQ(copies.output_bias, "final_logits_bias");
}

TEST(BartLayoutTensorsTest, ATableThatDiffersIsUsedWhateverTheConfigurationSays) {
  const TensorNames names =
      Settled(kBart, Tiny(), {{"model.shared.weight", 1.0f}, {"lm_head.weight", 2.0f}});
  EXPECT_EQ(names.output, "lm_head.weight");
  EXPECT_EQ(names.decoder.embedding, "model.shared.weight");
}

TEST(BartLayoutTensorsTest, UntiedTablesAreThoseOfTheStacks) {
  const TensorNames names =
      Settled(kBart, Tiny(R"(, "tie_word_embeddings": false)"), {{"model.shared.weight", 1.0f}});
  EXPECT_EQ(names.encoder.embedding, "model.encoder.embed_tokens.weight");
  EXPECT_EQ(names.decoder.embedding, "model.decoder.embed_tokens.weight");
  EXPECT_EQ(names.output, "lm_head.weight");
}

TEST(BartLayoutTensorsTest, AModelSavedWithoutItsHeadHasNoPrefix) {
  const TensorNames names =
      Settled(kBart, Tiny(), {{"shared.weight", 1.0f}, {"encoder.layers.0.fc1.weight", 1.0f}});
  EXPECT_EQ(names.decoder.embedding, "shared.weight");
  EXPECT_EQ(names.output, "shared.weight");
  EXPECT_EQ(names.decoder.layers[0].cross_k, "decoder.layers.0.encoder_attn.k_proj.weight");
}

TEST(BartLayoutTensorsTest, TwoVocabulariesTieOnlyTheTargets) {
  const std::string config = Tiny(R"(, "share_encoder_decoder_embeddings": false, "pad_token_id": 1,
                                       "decoder_vocab_size": 5)");
  const TensorNames names = Settled(
      kMarian, config,
      {{"model.encoder.embed_tokens.weight", 1.0f}, {"model.decoder.embed_tokens.weight", 2.0f}});
  EXPECT_EQ(names.encoder.embedding, "model.encoder.embed_tokens.weight");
  EXPECT_EQ(names.output, "model.decoder.embed_tokens.weight");
  const TensorNames head = Settled(
      kMarian, config, {{"model.encoder.embed_tokens.weight", 1.0f}, {"lm_head.weight", 2.0f}});
  EXPECT_EQ(head.decoder.embedding, "lm_head.weight");
}

TEST(BartLayoutTensorsTest, StoredSinusoidsAreRead) {
  const TensorNames names =
      Settled(kPegasus, Tiny(),
              {{"model.shared.weight", 1.0f}, {"model.decoder.embed_positions.weight", 1.0f}});
  EXPECT_EQ(names.encoder.positions, "");
  EXPECT_EQ(names.decoder.positions, "model.decoder.embed_positions.weight");
}

}  // namespace
}  // namespace transept
