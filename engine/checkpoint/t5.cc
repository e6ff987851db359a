// The T5 family: T5, T5 v1.1, Flan-T5, ByT5, MADLAD ("t5"), mT5 ("mt5") and UMT5 ("umt5").
//
// Follows transformers 5.17, also in what differs from transformers 4:
//                            t5                        mt5      umt5
//   relative position bias   first layer's, shared     as t5    one in each layer
//   output scaled by         if scale_decoder_outputs  never    always
//     1/√d_model             (*)
// (*) Absent from files of transformers 4, which say the same with tie_word_embeddings: unscaled if
// it is false. The flag says nothing about the tensors: the output projection is lm_head.weight if
// there is one, else the embedding.
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/checkpoint/family.h"
#include "engine/checkpoint/family_config.h"

namespace transept {
namespace {

// Fewer than 4 leave a bidirectional side without the exact bucket that the formula divides by.
constexpr Range<int32_t> kBuckets = {4, 1 << 16};
constexpr Range<int32_t> kDistance = {1, 1 << 24};
constexpr Range<float> kEpsilon = {0.0f, 1.0f};

// What transformers takes for fields that config.json leaves out.
struct Defaults {
  int32_t vocab_size;
  int32_t d_ff;
  int32_t num_layers;
  int32_t num_heads;
  const char* feed_forward_proj;
};
constexpr Defaults kT5Defaults = {32128, 2048, 6, 8, "relu"};
constexpr Defaults kMt5Defaults = {250112, 1024, 8, 6, "gated-gelu"};

// feed_forward_proj is "<function>" or "gated-<function>". "gated-gelu" alone means the tanh form
// of gelu. transformers also writes what it made of that to dense_act_fn and is_gated_act, and when
// it reads a file, these win.
void ReadFeedForward(ConfigFields& config, const Defaults& defaults, ModelSpec& spec) {
  constexpr std::string_view kGated = "gated-";
  std::string_view field = "feed_forward_proj";
  const std::string projection = config.String(field).value_or(defaults.feed_forward_proj);
  spec.gated_ffn = projection.substr(0, kGated.size()) == kGated;
  std::string function = spec.gated_ffn ? projection.substr(kGated.size()) : projection;
  if (projection == "gated-gelu") function = "gelu_new";
  if (const auto explicit_function = config.String("dense_act_fn")) {
    function = *explicit_function;
    field = "dense_act_fn";
  }
  spec.gated_ffn = config.Bool("is_gated_act").value_or(spec.gated_ffn);
  spec.activation = ReadActivation(config, field, function);
}

RelativePositionSpec ReadRelativePositions(ConfigFields& config) {
  RelativePositionSpec positions;
  positions.num_buckets = config.Int("relative_attention_num_buckets", kBuckets).value_or(32);
  positions.max_distance = config.Int("relative_attention_max_distance", kDistance).value_or(128);
  // The causal side has num_buckets / 2 exact buckets; the logarithmic ones lie beyond.
  if (positions.max_distance <= positions.num_buckets / 2) {
    config.Reject("relative_attention_max_distance",
                  absl::StrCat("must be more than half of relative_attention_num_buckets, ",
                               positions.num_buckets));
  }
  return positions;
}

void ReadTokens(ConfigFields& config, ModelSpec& spec) {
  const Range<int32_t> ids = {0, spec.vocab_size - 1};
  spec.pad_token = config.Int("pad_token_id", ids).value_or(0);
  spec.decoder_start_token = config.Int("decoder_start_token_id", ids).value_or(spec.pad_token);
  spec.eos_tokens = config.Ints("eos_token_id", ids).value_or(std::vector<TokenId>{1});
  if (spec.eos_tokens.empty()) config.Reject("eos_token_id", "must name a token");
}

// All but what sets the three members of the family apart.
ModelSpec ReadCommon(ConfigFields& config, const Defaults& defaults) {
  RejectUnsupported(config);
  ModelSpec spec;
  spec.vocab_size = config.Int("vocab_size", kVocabularyRange).value_or(defaults.vocab_size);
  spec.d_model = ReadDimension(config, "d_model", "hidden_size", kWidthRange, 512);
  spec.norm_eps = config.Float("layer_norm_epsilon", kEpsilon).value_or(1e-6f);
  ReadFeedForward(config, defaults, spec);
  ReadTokens(config, spec);

  StackSpec stack;
  stack.num_heads =
      ReadDimension(config, "num_heads", "num_attention_heads", kHeadsRange, defaults.num_heads);
  stack.num_kv_heads = stack.num_heads;
  stack.head_size = ReadDimension(config, "d_kv", "head_dim", kHeadSizeRange, 64);
  if (stack.inner_size() > kWidthRange.max) {
    config.Reject("num_heads", absl::StrCat("times d_kv must be at most ", kWidthRange.max));
  }
  stack.ffn_size = config.Int("d_ff", kFfnWidthRange).value_or(defaults.d_ff);
  stack.relative_positions = ReadRelativePositions(config);
  spec.encoder = spec.decoder = stack;
  spec.encoder.num_layers =
      ReadDimension(config, "num_layers", "num_hidden_layers", kLayersRange, defaults.num_layers);
  spec.decoder.num_layers =
      config.Int("num_decoder_layers", kLayersRange).value_or(spec.encoder.num_layers);
  return spec;
}

float InverseRoot(int32_t d_model) {
  return 1.0f / std::sqrt(static_cast<float>(d_model));
}

// One layer's names; `prefix` is "encoder.block.0." or alike.
LayerTensorNames NameLayer(const std::string& prefix, const ModelSpec& spec, bool has_bias_table,
                           bool is_decoder) {
  LayerTensorNames names;
  const std::string self = prefix + "layer.0.";
  names.self_norm = self + "layer_norm.weight";
  names.self_q = self + "SelfAttention.q.weight";
  names.self_k = self + "SelfAttention.k.weight";
  names.self_v = self + "SelfAttention.v.weight";
  names.self_o = self + "SelfAttention.o.weight";
  if (has_bias_table) names.relative_bias = self + "SelfAttention.relative_attention_bias.weight";
  if (is_decoder) {
    const std::string cross = prefix + "layer.1.";
    names.cross_norm = cross + "layer_norm.weight";
    names.cross_q = cross + "EncDecAttention.q.weight";
    names.cross_k = cross + "EncDecAttention.k.weight";
    names.cross_v = cross + "EncDecAttention.v.weight";
    names.cross_o = cross + "EncDecAttention.o.weight";
  }
  const std::string ffn = absl::StrCat(prefix, "layer.", is_decoder ? 2 : 1, ".");
  names.ffn_norm = ffn + "layer_norm.weight";
  if (spec.gated_ffn) names.ffn_gate = ffn + "DenseReluDense.wi_0.weight";
  names.ffn_up = ffn + (spec.gated_ffn ? "DenseReluDense.wi_1.weight" : "DenseReluDense.wi.weight");
  names.ffn_down = ffn + "DenseReluDense.wo.weight";
  return names;
}

StackTensorNames NameStack(const std::string& prefix, const ModelSpec& spec, const StackSpec& stack,
                           bool is_decoder) {
  StackTensorNames names;
  names.embedding = "shared.weight";
  for (int32_t i = 0; i < stack.num_layers; ++i) {
    const bool has_bias_table = i == 0 || stack.relative_positions.per_layer;
    names.layers.push_back(
        NameLayer(absl::StrCat(prefix, "block.", i, "."), spec, has_bias_table, is_decoder));
  }
  names.norm = prefix + "final_layer_norm.weight";
  return names;
}

ModelSpec ReadT5(ConfigFields& config) {
  ModelSpec spec = ReadCommon(config, kT5Defaults);
  const bool tied_in_file = config.Bool("tie_word_embeddings").value_or(true);
  if (config.Bool("scale_decoder_outputs").value_or(tied_in_file)) {
    spec.output_scale = InverseRoot(spec.d_model);
  }
  return spec;
}

ModelSpec ReadMt5(ConfigFields& config) {
  return ReadCommon(config, kMt5Defaults);
}

ModelSpec ReadUmt5(ConfigFields& config) {
  ModelSpec spec = ReadCommon(config, kMt5Defaults);
  spec.output_scale = InverseRoot(spec.d_model);
  spec.encoder.relative_positions.per_layer = true;
  spec.decoder.relative_positions.per_layer = true;
  return spec;
}

TensorNames NameTensors(const ModelSpec& spec) {
  TensorNames names;
  names.encoder = NameStack("encoder.", spec, spec.encoder, /*is_decoder=*/false);
  names.decoder = NameStack("decoder.", spec, spec.decoder, /*is_decoder=*/true);
  names.output = spec.tied_embeddings ? names.decoder.embedding : "lm_head.weight";
  return names;
}

// A file may hold the embedding under any of its three names, or under several.
absl::Status SettleTensors(const TensorSource& tensors, ModelSpec& spec, TensorNames& names) {
  const int64_t shape[] = {spec.vocab_size, spec.d_model};
  const std::string output = "lm_head.weight";
  std::vector<std::string> tables;
  for (const char* name :
       {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    if (tensors.Contains(name)) tables.emplace_back(name);
  }
  // Tied tables are saved once, under a name that the writer chose.
  if (tables.empty() && tensors.Contains(output)) tables.push_back(output);
  if (!tables.empty()) names.encoder.embedding = names.decoder.embedding = tables[0];
  for (size_t i = 1; i < tables.size(); ++i) {
    const absl::StatusOr<bool> same = SameTensor(tensors, shape, tables[0], tables[i]);
    if (!same.ok()) return same.status();
    if (*same) continue;
    return absl::InvalidArgumentError(absl::StrCat(tensors.Origin(tables[i]), ": tensor \"",
                                                   tables[i], "\" differs from \"", tables[0],
                                                   "\": separate embeddings are not supported"));
  }
  spec.tied_embeddings = true;
  if (tensors.Contains(output) && names.decoder.embedding != output) {
    const absl::StatusOr<bool> same = SameTensor(tensors, shape, names.decoder.embedding, output);
    if (!same.ok()) return same.status();
    spec.tied_embeddings = *same;
  }
  names.output = spec.tied_embeddings ? names.decoder.embedding : output;
  return absl::OkStatus();
}

}  // namespace

const Family kT5 = {"t5", ReadT5, NameTensors, SettleTensors};
const Family kMt5 = {"mt5", ReadMt5, NameTensors, SettleTensors};
const Family kUmt5 = {"umt5", ReadUmt5, NameTensors, SettleTensors};

}  // namespace transept
