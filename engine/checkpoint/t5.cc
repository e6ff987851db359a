#include "engine/checkpoint/t5.h"

#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace transept {
namespace {

using kernels::ActivationFunction;

constexpr Range<int32_t> kWidth = {1, 1 << 16};
constexpr Range<int32_t> kFfnWidth = {1, 1 << 20};
constexpr Range<int32_t> kHeads = {1, 1024};
constexpr Range<int32_t> kHeadSize = {1, 1024};
constexpr Range<int32_t> kLayers = {1, 1024};
constexpr Range<int32_t> kVocabulary = {2, 10'000'000};  // at least padding and end
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

// A dimension that config.json may call by T5's name or by transformers' general one, which wins.
int32_t ReadDimension(ConfigFields& config, std::string_view name, std::string_view general_name,
                      Range<int32_t> range, int32_t fallback) {
  const std::string_view used = config.Has(general_name) ? general_name : name;
  return config.Int(used, range).value_or(fallback);
}

ActivationFunction ReadActivation(ConfigFields& config, std::string_view field,
                                  std::string_view name) {
  static constexpr std::pair<std::string_view, ActivationFunction> kFunctions[] = {
      {"relu", ActivationFunction::kRelu},
      {"gelu", ActivationFunction::kGelu},
      {"gelu_python", ActivationFunction::kGelu},
      {"gelu_new", ActivationFunction::kGeluTanh},
      {"gelu_fast", ActivationFunction::kGeluTanh},
      {"gelu_pytorch_tanh", ActivationFunction::kGeluTanh},
      {"gelu_python_tanh", ActivationFunction::kGeluTanh},
      {"gelu_accurate", ActivationFunction::kGeluTanh},
      {"silu", ActivationFunction::kSilu},
      {"swish", ActivationFunction::kSilu},
      {"linear", ActivationFunction::kNone},
  };
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return function;
  }
  config.Reject(
      field,
      "must be one of relu, gelu, gelu_new, silu, swish and linear, perhaps with gated- in front");
  return ActivationFunction::kNone;
}

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

// What transformers would honour and this family's reader does not.
void RejectUnsupported(ConfigFields& config) {
  for (const std::string_view field : {"quantization_config", "per_layer_config"}) {
    if (config.Has(field)) config.Reject(field, "is not supported");
  }
  if (!config.Bool("is_encoder_decoder").value_or(true)) {
    config.Reject("is_encoder_decoder", "must be true");
  }
}

// All but what sets the three members of the family apart.
ModelSpec ReadCommon(ConfigFields& config, const Defaults& defaults) {
  RejectUnsupported(config);
  ModelSpec spec;
  spec.vocab_size = config.Int("vocab_size", kVocabulary).value_or(defaults.vocab_size);
  spec.d_model = ReadDimension(config, "d_model", "hidden_size", kWidth, 512);
  spec.norm_eps = config.Float("layer_norm_epsilon", kEpsilon).value_or(1e-6f);
  ReadFeedForward(config, defaults, spec);
  ReadTokens(config, spec);

  StackSpec stack;
  stack.num_heads =
      ReadDimension(config, "num_heads", "num_attention_heads", kHeads, defaults.num_heads);
  stack.num_kv_heads = stack.num_heads;
  stack.head_size = ReadDimension(config, "d_kv", "head_dim", kHeadSize, 64);
  if (stack.inner_size() > kWidth.max) {
    config.Reject("num_heads", absl::StrCat("times d_kv must be at most ", kWidth.max));
  }
  stack.ffn_size = config.Int("d_ff", kFfnWidth).value_or(defaults.d_ff);
  stack.relative_positions = ReadRelativePositions(config);
  spec.encoder = spec.decoder = stack;
  spec.encoder.num_layers =
      ReadDimension(config, "num_layers", "num_hidden_layers", kLayers, defaults.num_layers);
  spec.decoder.num_layers =
      config.Int("num_decoder_layers", kLayers).value_or(spec.encoder.num_layers);
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

std::vector<LayerTensorNames> NameStack(const std::string& prefix, const ModelSpec& spec,
                                        const StackSpec& stack, bool is_decoder) {
  std::vector<LayerTensorNames> layers;
  for (int32_t i = 0; i < stack.num_layers; ++i) {
    const bool has_bias_table = i == 0 || stack.relative_positions.per_layer;
    layers.push_back(
        NameLayer(absl::StrCat(prefix, "block.", i, "."), spec, has_bias_table, is_decoder));
  }
  return layers;
}

// Whether two [vocab_size, d_model] tensors are the same bytes.
absl::StatusOr<bool> SameTable(const TensorSource& tensors, const ModelSpec& spec,
                               const std::string& a, const std::string& b) {
  const int64_t shape[] = {spec.vocab_size, spec.d_model};
  const absl::StatusOr<TensorView> first = tensors.Find(a, shape);
  if (!first.ok()) return first.status();
  const absl::StatusOr<TensorView> second = tensors.Find(b, shape);
  if (!second.ok()) return second.status();
  if (first->dtype != second->dtype) return false;
  const size_t bytes = SizeOf(first->dtype) * static_cast<size_t>(shape[0] * shape[1]);
  return std::memcmp(first->data, second->data, bytes) == 0;
}

}  // namespace

ModelSpec ReadT5Config(ConfigFields& config) {
  ModelSpec spec = ReadCommon(config, kT5Defaults);
  const bool tied_in_file = config.Bool("tie_word_embeddings").value_or(true);
  if (config.Bool("scale_decoder_outputs").value_or(tied_in_file)) {
    spec.output_scale = InverseRoot(spec.d_model);
  }
  return spec;
}

ModelSpec ReadMt5Config(ConfigFields& config) {
  return ReadCommon(config, kMt5Defaults);
}

ModelSpec ReadUmt5Config(ConfigFields& config) {
  ModelSpec spec = ReadCommon(config, kMt5Defaults);
  spec.output_scale = InverseRoot(spec.d_model);
  spec.encoder.relative_positions.per_layer = true;
  spec.decoder.relative_positions.per_layer = true;
  return spec;
}

TensorNames NameT5Tensors(const ModelSpec& spec) {
  TensorNames names;
  names.embedding = "shared.weight";
  names.output = spec.tied_embeddings ? names.embedding : "lm_head.weight";
  names.encoder_norm = "encoder.final_layer_norm.weight";
  names.decoder_norm = "decoder.final_layer_norm.weight";
  names.encoder = NameStack("encoder.", spec, spec.encoder, /*is_decoder=*/false);
  names.decoder = NameStack("decoder.", spec, spec.decoder, /*is_decoder=*/true);
  return names;
}

// A file may hold the embedding under any of its three names, or under several.
absl::Status SettleT5Tensors(const TensorSource& tensors, ModelSpec& spec, TensorNames& names) {
  const std::string output = "lm_head.weight";
  std::vector<std::string> tables;
  for (const char* name :
       {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    if (tensors.Contains(name)) tables.emplace_back(name);
  }
  // Tied tables are saved once, under a name that the writer chose.
  if (tables.empty() && tensors.Contains(output)) tables.push_back(output);
  if (!tables.empty()) names.embedding = tables[0];
  for (size_t i = 1; i < tables.size(); ++i) {
    const absl::StatusOr<bool> same = SameTable(tensors, spec, tables[0], tables[i]);
    if (!same.ok()) return same.status();
    if (*same) continue;
    return absl::InvalidArgumentError(absl::StrCat(tensors.Origin(tables[i]), ": tensor \"",
                                                   tables[i], "\" differs from \"", tables[0],
                                                   "\": separate embeddings are not supported"));
  }
  spec.tied_embeddings = true;
  if (tensors.Contains(output) && names.embedding != output) {
    const absl::StatusOr<bool> same = SameTable(tensors, spec, names.embedding, output);
    if (!same.ok()) return same.status();
    spec.tied_embeddings = *same;
  }
  names.output = spec.tied_embeddings ? names.embedding : output;
  return absl::OkStatus();
}

}  // namespace transept
