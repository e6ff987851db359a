#include "engine/checkpoint/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/config_fields.h"

namespace transept {
namespace {

using kernels::ActivationFunction;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<ModelSpec> ReadSpec(std::string_view model_type, std::string_view text) {
  const absl::StatusOr<JsonDocument> json =
      JsonDocument::Parse(text, "dir/config.json", kConfigLimits);
  if (!json.ok()) return json.status();
  ConfigFields fields(json->root());
  ModelSpec spec = FindFamily(model_type)->read_config(fields);
  if (!fields.status().ok()) return fields.status();
  return spec;
}

ModelSpec Spec(std::string_view model_type, std::string_view text) {
  absl::StatusOr<ModelSpec> spec = ReadSpec(model_type, text);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return *std::move(spec);
}

std::string SpecError(std::string_view text) {
  const absl::StatusOr<ModelSpec> spec = ReadSpec("t5", text);
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(spec.status().message());
}

// google/flan-t5-small's config.json, as transformers 4 wrote it.
constexpr std::string_view kFlanSmall = R"({
  "architectures": ["T5ForConditionalGeneration"], "d_ff": 1024, "d_kv": 64, "d_model": 512,
  "decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1,
  "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0, "is_encoder_decoder": true,
  "layer_norm_epsilon": 1e-06, "model_type": "t5", "n_positions": 512, "num_decoder_layers": 8,
  "num_heads": 6, "num_layers": 8, "output_past": true, "pad_token_id": 0,
  "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
  "task_specific_params": {"summarization": {"num_beams": 4, "prefix": "summarize: "}},
  "tie_word_embeddings": false, "transformers_version": "4.23.1", "use_cache": true,
  "vocab_size": 32128})";

TEST(T5ConfigTest, ReadsAPublishedConfig) {
  const ModelSpec spec = Spec("t5", kFlanSmall);
  EXPECT_EQ(spec.vocab_size, 32128);
  EXPECT_EQ(spec.d_model, 512);
  for (const StackSpec& stack : {spec.encoder, spec.decoder}) {
    EXPECT_EQ(stack.num_layers, 8);
    EXPECT_EQ(stack.num_heads, 6);
    EXPECT_EQ(stack.num_kv_heads, 6);
    EXPECT_EQ(stack.head_size, 64);
    EXPECT_EQ(stack.ffn_size, 1024);
    EXPECT_EQ(stack.attention_scale, 1.0f);
    EXPECT_EQ(stack.relative_positions.num_buckets, 32);
    EXPECT_EQ(stack.relative_positions.max_distance, 128);
    EXPECT_FALSE(stack.relative_positions.per_layer);
  }
  EXPECT_EQ(spec.activation, ActivationFunction::kGeluTanh);
  EXPECT_TRUE(spec.gated_ffn);
  EXPECT_EQ(spec.norm, kernels::NormKind::kRms);
  EXPECT_EQ(spec.norm_eps, 1e-6f);
  EXPECT_EQ(spec.output_scale, 1.0f);
  EXPECT_EQ(spec.decoder_start_token, 0);
  EXPECT_EQ(spec.pad_token, 0);
  EXPECT_THAT(spec.eos_tokens, ElementsAre(1));
}

TEST(T5ConfigTest, FillsInTransformersDefaults) {
  const ModelSpec t5 = Spec("t5", "{}");
  EXPECT_EQ(t5.vocab_size, 32128);
  EXPECT_EQ(t5.d_model, 512);
  EXPECT_EQ(t5.encoder.num_layers, 6);
  EXPECT_EQ(t5.decoder.num_layers, 6);
  EXPECT_EQ(t5.encoder.num_heads, 8);
  EXPECT_EQ(t5.encoder.head_size, 64);
  EXPECT_EQ(t5.encoder.ffn_size, 2048);
  EXPECT_EQ(t5.activation, ActivationFunction::kRelu);
  EXPECT_FALSE(t5.gated_ffn);
  const ModelSpec mt5 = Spec("mt5", "{}");
  EXPECT_EQ(mt5.vocab_size, 250112);
  EXPECT_EQ(mt5.encoder.num_layers, 8);
  EXPECT_EQ(mt5.encoder.num_heads, 6);
  EXPECT_EQ(mt5.encoder.ffn_size, 1024);
  EXPECT_EQ(mt5.activation, ActivationFunction::kGeluTanh);
  EXPECT_TRUE(mt5.gated_ffn);
}

TEST(T5ConfigTest, DecoderIsAsDeepAsTheEncoderUnlessItSays) {
  EXPECT_EQ(Spec("t5", R"({"num_layers": 3})").decoder.num_layers, 3);
  EXPECT_EQ(Spec("t5", R"({"num_layers": 3, "num_decoder_layers": null})").decoder.num_layers, 3);
  const ModelSpec spec = Spec("t5", R"({"num_layers": 3, "num_decoder_layers": 5})");
  EXPECT_EQ(spec.encoder.num_layers, 3);
  EXPECT_EQ(spec.decoder.num_layers, 5);
}

TEST(T5ConfigTest, GeneralNamesOfDimensionsWin) {
  const ModelSpec spec = Spec("t5", R"({"d_model": 8, "hidden_size": 16, "head_dim": 4,
                                        "num_attention_heads": 3, "num_hidden_layers": 2})");
  EXPECT_EQ(spec.d_model, 16);
  EXPECT_EQ(spec.encoder.head_size, 4);
  EXPECT_EQ(spec.encoder.num_heads, 3);
  EXPECT_EQ(spec.encoder.num_layers, 2);
}

TEST(T5ConfigTest, OutputScaleFollowsTransformers5) {
  const float scale = 1.0f / std::sqrt(64.0f);
  const auto output_scale = [](std::string_view model_type, const std::string& fields) {
    return Spec(model_type, "{\"d_model\": 64" + fields + "}").output_scale;
  };
  EXPECT_EQ(output_scale("t5", ""), scale);
  EXPECT_EQ(output_scale("t5", R"(, "tie_word_embeddings": true)"), scale);
  EXPECT_EQ(output_scale("t5", R"(, "tie_word_embeddings": null)"), scale);
  EXPECT_EQ(output_scale("t5", R"(, "tie_word_embeddings": false)"), 1.0f);
  EXPECT_EQ(output_scale("t5", R"(, "tie_word_embeddings": true, "scale_decoder_outputs": false)"),
            1.0f);
  EXPECT_EQ(output_scale("t5", R"(, "tie_word_embeddings": false, "scale_decoder_outputs": true)"),
            scale);
  for (const char* fields : {"", R"(, "tie_word_embeddings": false)",
                             R"(, "tie_word_embeddings": true, "scale_decoder_outputs": true)"}) {
    EXPECT_EQ(output_scale("mt5", fields), 1.0f);
    EXPECT_EQ(output_scale("umt5", fields), scale);
  }
}

TEST(T5ConfigTest, OnlyUmt5HasABiasTableInEachLayer) {
  EXPECT_FALSE(Spec("mt5", "{}").decoder.relative_positions.per_layer);
  EXPECT_TRUE(Spec("umt5", "{}").encoder.relative_positions.per_layer);
  EXPECT_TRUE(Spec("umt5", "{}").decoder.relative_positions.per_layer);
}

TEST(T5ConfigTest, ReadsActivationsAsTransformersDoes) {
  struct Case {
    const char* fields;
    ActivationFunction function;
    bool gated;
  };
  for (const Case& c : {
           Case{R"("feed_forward_proj": "relu")", ActivationFunction::kRelu, false},
           Case{R"("feed_forward_proj": "gated-relu")", ActivationFunction::kRelu, true},
           Case{R"("feed_forward_proj": "gelu")", ActivationFunction::kGelu, false},
           Case{R"("feed_forward_proj": "gated-gelu")", ActivationFunction::kGeluTanh, true},
           Case{R"("feed_forward_proj": "gelu_new")", ActivationFunction::kGeluTanh, false},
           Case{R"("feed_forward_proj": "gated-gelu_new")", ActivationFunction::kGeluTanh, true},
           Case{R"("feed_forward_proj": "gated-silu")", ActivationFunction::kSilu, true},
           Case{R"("feed_forward_proj": "swish")", ActivationFunction::kSilu, false},
           Case{R"("feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu")",
                ActivationFunction::kGelu, true},
           Case{R"("feed_forward_proj": "relu", "is_gated_act": true)", ActivationFunction::kRelu,
                true},
           Case{R"("feed_forward_proj": "gated-gelu", "is_gated_act": false)",
                ActivationFunction::kGeluTanh, false},
       }) {
    const ModelSpec spec = Spec("t5", absl::StrCat("{", c.fields, "}"));
    EXPECT_EQ(spec.activation, c.function) << c.fields;
    EXPECT_EQ(spec.gated_ffn, c.gated) << c.fields;
  }
  EXPECT_THAT(SpecError(R"({"feed_forward_proj": "gated-tanh"})"),
              AllOf(HasSubstr("feed_forward_proj is \"gated-tanh\""), HasSubstr("gelu_new")));
  EXPECT_THAT(SpecError(R"({"dense_act_fn": "mish"})"), HasSubstr("dense_act_fn is \"mish\""));
  SpecError(R"({"feed_forward_proj": "gated"})");
  SpecError(R"({"feed_forward_proj": "glu-gelu"})");
  SpecError(R"({"feed_forward_proj": "gated-gelu-new"})");
}

TEST(T5ConfigTest, ReadsTokens) {
  const ModelSpec spec =
      Spec("t5", R"({"vocab_size": 10, "pad_token_id": 3, "eos_token_id": [4, 9]})");
  EXPECT_EQ(spec.pad_token, 3);
  EXPECT_EQ(spec.decoder_start_token, 3) << "pad, unless the file says otherwise";
  EXPECT_THAT(spec.eos_tokens, ElementsAre(4, 9));
  EXPECT_EQ(Spec("t5", R"({"decoder_start_token_id": 7})").decoder_start_token, 7);
  EXPECT_THAT(SpecError(R"({"vocab_size": 10, "eos_token_id": 10})"),
              HasSubstr("eos_token_id is 10: must lie in [0, 9]"));
  SpecError(R"({"eos_token_id": []})");
  SpecError(R"({"vocab_size": 10, "decoder_start_token_id": 10})");
  SpecError(R"({"pad_token_id": -1})");
  SpecError(R"({"vocab_size": 1})");  // no room for the default end of sequence, 1
}

TEST(T5ConfigTest, RefusesDimensionsOutOfRange) {
  for (const char* field :
       {"vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
        "relative_attention_num_buckets", "relative_attention_max_distance"}) {
    for (const char* value :
         {"0", "-1", "99999999", "2147483648", "1e400", "NaN", "\"8\"", "8.5", "true", "[8]"}) {
      const std::string text = absl::StrCat("{\"", field, "\": ", value, "}");
      EXPECT_THAT(SpecError(text), HasSubstr("dir/config.json: ")) << text;
    }
  }
  EXPECT_THAT(SpecError(R"({"num_heads": 1024, "d_kv": 1024})"), HasSubstr("num_heads is 1024"));
  EXPECT_THAT(SpecError(R"({"layer_norm_epsilon": NaN})"), HasSubstr("layer_norm_epsilon"));
  EXPECT_THAT(SpecError(R"({"layer_norm_epsilon": -1e-6})"), HasSubstr("layer_norm_epsilon"));
}

TEST(T5ConfigTest, RefusesBucketsThatTheFormulaCannotServe) {
  SpecError(R"({"relative_attention_num_buckets": 3})");
  EXPECT_THAT(SpecError(R"({"relative_attention_max_distance": 16})"),
              HasSubstr("relative_attention_max_distance is 16: must be more than half"));
  Spec("t5", R"({"relative_attention_max_distance": 17})");
  Spec("t5", R"({"relative_attention_num_buckets": 4, "relative_attention_max_distance": 3})");
}

TEST(T5ConfigTest, RefusesWhatWouldChangeTheOutput) {
  EXPECT_THAT(SpecError(R"({"quantization_config": {"load_in_8bit": true}})"),
              HasSubstr("quantization_config"));
  EXPECT_THAT(SpecError(R"({"is_encoder_decoder": false})"), HasSubstr("is_encoder_decoder"));
  EXPECT_THAT(SpecError(R"({"per_layer_config": {"0": {}}})"), HasSubstr("per_layer_config"));
  Spec("t5", R"({"quantization_config": null, "dropout_rate": NaN, "unknown": {"a": []}})");
}

TEST(T5NamesTest, NamesAreThoseOfTransformers) {
  ModelSpec spec = Spec("t5", R"({"num_layers": 2, "num_decoder_layers": 3})");
  TensorNames names = kT5.name_tensors(spec);
  EXPECT_EQ(names.encoder.embedding, "shared.weight");
  EXPECT_EQ(names.decoder.embedding, "shared.weight");
  EXPECT_EQ(names.output, "lm_head.weight");
  EXPECT_EQ(names.encoder.norm, "encoder.final_layer_norm.weight");
  EXPECT_EQ(names.decoder.norm, "decoder.final_layer_norm.weight");
  ASSERT_EQ(names.encoder.layers.size(), 2u);
  ASSERT_EQ(names.decoder.layers.size(), 3u);
  const LayerTensorNames& encoder = names.encoder.layers[0];
  EXPECT_EQ(encoder.self_norm, "encoder.block.0.layer.0.layer_norm.weight");
  EXPECT_EQ(encoder.self_q, "encoder.block.0.layer.0.SelfAttention.q.weight");
  EXPECT_EQ(encoder.relative_bias,
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  EXPECT_EQ(encoder.cross_q, "");
  EXPECT_EQ(encoder.ffn_norm, "encoder.block.0.layer.1.layer_norm.weight");
  EXPECT_EQ(encoder.ffn_gate, "");
  EXPECT_EQ(encoder.ffn_up, "encoder.block.0.layer.1.DenseReluDense.wi.weight");
  EXPECT_EQ(encoder.ffn_down, "encoder.block.0.layer.1.DenseReluDense.wo.weight");
  const LayerTensorNames& decoder = names.decoder.layers[2];
  EXPECT_EQ(decoder.self_o, "decoder.block.2.layer.0.SelfAttention.o.weight");
  EXPECT_EQ(decoder.relative_bias, "") << "only the first layer has it";
  EXPECT_EQ(decoder.cross_norm, "decoder.block.2.layer.1.layer_norm.weight");
  EXPECT_EQ(decoder.cross_v, "decoder.block.2.layer.1.EncDecAttention.v.weight");
  EXPECT_EQ(decoder.ffn_norm, "decoder.block.2.layer.2.layer_norm.weight");

  spec.gated_ffn = true;
  spec.tied_embeddings = true;
  spec.decoder.relative_positions.per_layer = true;
  names = kT5.name_tensors(spec);
  EXPECT_EQ(names.output, names.decoder.embedding);
  EXPECT_EQ(names.decoder.layers[2].ffn_gate, "decoder.block.2.layer.2.DenseReluDense.wi_0.weight");
  EXPECT_EQ(names.decoder.layers[2].ffn_up, "decoder.block.2.layer.2.DenseReluDense.wi_1.weight");
  EXPECT_EQ(names.decoder.layers[2].relative_bias,
            "decoder.block.2.layer.0.SelfAttention.relative_attention_bias.weight");
}

}  // namespace
}  // namespace transept
