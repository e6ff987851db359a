#include "engine/checkpoint/bart_layout.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/checkpoint/family_config.h"

namespace transept {
namespace {

constexpr char kPrefix[] = "model.";
constexpr char kHead[] = "lm_head.weight";
constexpr char kOutputBias[] = "final_logits_bias";

void ReadTokens(ConfigFields& config, const BartDefaults& defaults, ModelSpec& spec) {
  const Range<int32_t> ids = {0, spec.vocab_size - 1};
  spec.pad_token = config.Int("pad_token_id", ids).value_or(defaults.pad);
  const TokenId begin = config.Int("bos_token_id", ids).value_or(0);
  spec.decoder_start_token =
      config.Int("decoder_start_token_id", ids).value_or(defaults.start.value_or(begin));
  spec.eos_tokens = config.Ints("eos_token_id", ids).value_or(std::vector<TokenId>{defaults.eos});
  if (spec.eos_tokens.empty()) config.Reject("eos_token_id", "must name a token");
  CheckSpecialTokens(config, "vocab_size", spec);
}

// `prefix` is "encoder_" or "decoder_". The encoder's numbers also go by transformers' general
// names.
StackSpec ReadStack(ConfigFields& config, const std::string& prefix, const BartDefaults& defaults,
                    int32_t d_model) {
  const bool encoder = prefix == "encoder_";
  const std::string layers = prefix + "layers";
  const std::string heads = prefix + "attention_heads";
  StackSpec stack;
  stack.num_layers =
      ReadDimension(config, layers, encoder ? "num_hidden_layers" : layers, kLayersRange,
                    encoder ? defaults.encoder_layers : defaults.decoder_layers);
  stack.num_heads = ReadDimension(config, heads, encoder ? "num_attention_heads" : heads,
                                  kHeadsRange, defaults.heads);
  stack.num_kv_heads = stack.num_heads;
  stack.ffn_size = config.Int(prefix + "ffn_dim", kFfnWidthRange).value_or(defaults.ffn);
  if (d_model % stack.num_heads != 0) {
    config.Reject(heads, absl::StrCat("must divide the model's width ", d_model));
  }
  stack.head_size = d_model / stack.num_heads;
  if (stack.head_size > kHeadSizeRange.max) {
    config.Reject(heads, absl::StrCat("must give heads of at most ", kHeadSizeRange.max));
  }
  stack.attention_scale = 1.0f / std::sqrt(static_cast<float>(stack.head_size));
  return stack;
}

LayerTensorNames NameLayer(const std::string& prefix, bool is_decoder) {
  LayerTensorNames names;
  names.self_q = prefix + "self_attn.q_proj.weight";
  names.self_k = prefix + "self_attn.k_proj.weight";
  names.self_v = prefix + "self_attn.v_proj.weight";
  names.self_o = prefix + "self_attn.out_proj.weight";
  if (is_decoder) {
    names.cross_q = prefix + "encoder_attn.q_proj.weight";
    names.cross_k = prefix + "encoder_attn.k_proj.weight";
    names.cross_v = prefix + "encoder_attn.v_proj.weight";
    names.cross_o = prefix + "encoder_attn.out_proj.weight";
  }
  names.ffn_up = prefix + "fc1.weight";
  names.ffn_down = prefix + "fc2.weight";
  return names;
}

// Hands the norms out in the order in which the stack runs them. Each goes to whoever reads its
// result: the block it belongs to where norms stand before blocks, the next one else.
void NameNorms(const std::string& prefix, const ModelSpec& spec, bool is_decoder,
               StackTensorNames& names) {
  const std::string embedding_norm = prefix + "layernorm_embedding.weight";
  const bool before = spec.norm_placement == NormPlacement::kBefore;
  if (before && spec.embedding_norm) names.embedding_norm = embedding_norm;
  std::string ready = !before && spec.embedding_norm ? embedding_norm : "";
  for (size_t i = 0; i < names.layers.size(); ++i) {
    const auto place = [&](const char* norm, std::string& reader) {
      const std::string own = absl::StrCat(prefix, "layers.", i, ".", norm, ".weight");
      reader = before ? own : ready;
      ready = own;
    };
    place("self_attn_layer_norm", names.layers[i].self_norm);
    if (is_decoder) place("encoder_attn_layer_norm", names.layers[i].cross_norm);
    place("final_layer_norm", names.layers[i].ffn_norm);
  }
  names.norm = before ? prefix + "layer_norm.weight" : ready;
}

StackTensorNames NameStack(const std::string& prefix, const ModelSpec& spec, const StackSpec& stack,
                           bool is_decoder) {
  StackTensorNames names;
  if (spec.positions.kind == PositionKind::kLearned) {
    names.positions = prefix + "embed_positions.weight";
  }
  for (int32_t i = 0; i < stack.num_layers; ++i) {
    names.layers.push_back(NameLayer(absl::StrCat(prefix, "layers.", i, "."), is_decoder));
  }
  NameNorms(prefix, spec, is_decoder, names);
  return names;
}

TensorNames NameTensors(const std::string& prefix, const ModelSpec& spec) {
  TensorNames names;
  names.encoder = NameStack(prefix + "encoder.", spec, spec.encoder, /*is_decoder=*/false);
  names.decoder = NameStack(prefix + "decoder.", spec, spec.decoder, /*is_decoder=*/true);
  if (spec.encoder_vocab_size == 0) {
    names.encoder.embedding = names.decoder.embedding = prefix + "shared.weight";
  } else {
    names.encoder.embedding = prefix + "encoder.embed_tokens.weight";
    names.decoder.embedding = prefix + "decoder.embed_tokens.weight";
  }
  names.output = spec.tied_embeddings ? names.decoder.embedding : kHead;
  names.output_bias = kOutputBias;
  return names;
}

// The table that transformers 5 uses for `own` when the configuration ties it to `shared`: the
// other one where the file has only that or both are equal. Neither need be in the file.
absl::StatusOr<std::string> Tie(const TensorSource& tensors, const ModelSpec& spec,
                                const std::string& own, const std::string& shared) {
  if (own == shared || !tensors.Contains(own)) return shared;
  if (!tensors.Contains(shared)) return own;
  const int64_t shape[] = {spec.vocab_size, spec.d_model};
  const absl::StatusOr<bool> same = SameTensor(tensors, shape, own, shared);
  if (!same.ok()) return same.status();
  return *same ? shared : own;
}

// Names the three tables of a model whose configuration ties them.
absl::Status TieTables(const TensorSource& tensors, const ModelSpec& spec,
                       const std::string& prefix, TensorNames& names) {
  const std::string encoder = prefix + "encoder.embed_tokens.weight";
  const std::string decoder = prefix + "decoder.embed_tokens.weight";
  const bool one_vocabulary = spec.encoder_vocab_size == 0;
  // The first that the file has; tied tables are saved once, under a name that the writer chose.
  std::string shared = one_vocabulary ? prefix + "shared.weight" : decoder;
  for (const std::string& name : {decoder, encoder, std::string(kHead)}) {
    const bool may_be = one_vocabulary || name != encoder;
    if (may_be && !tensors.Contains(shared) && tensors.Contains(name)) shared = name;
  }
  const auto settle = [&](const std::string& own, std::string& name) {
    const absl::StatusOr<std::string> table = Tie(tensors, spec, own, shared);
    if (table.ok()) name = *table;
    return table.status();
  };
  absl::Status status = settle(decoder, names.decoder.embedding);
  if (one_vocabulary) status.Update(settle(encoder, names.encoder.embedding));
  status.Update(settle(kHead, names.output));
  return status;
}

}  // namespace

ModelSpec ReadBartLayout(ConfigFields& config, const BartDefaults& defaults) {
  RejectUnsupported(config);
  ModelSpec spec;
  spec.vocab_size = config.Int("vocab_size", kVocabularyRange).value_or(defaults.vocab_size);
  spec.d_model = ReadDimension(config, "d_model", "hidden_size", kWidthRange, defaults.d_model);
  spec.encoder = ReadStack(config, "encoder_", defaults, spec.d_model);
  spec.decoder = ReadStack(config, "decoder_", defaults, spec.d_model);
  spec.norm = kernels::NormKind::kLayer;
  spec.norm_placement = NormPlacement::kAfter;
  spec.norm_eps = 1e-5f;
  spec.biases = true;
  spec.activation =
      ReadActivation(config, "activation_function",
                     config.String("activation_function").value_or(defaults.activation));
  if (config.Bool("scale_embedding").value_or(defaults.scale_embedding)) {
    spec.embedding_scale = std::sqrt(static_cast<float>(spec.d_model));
  }
  spec.positions = {.kind = PositionKind::kLearned, .offset = 2};
  spec.embedding_norm = true;
  spec.tied_embeddings = config.Bool("tie_word_embeddings").value_or(true);
  spec.max_source_positions =
      config.Int("max_position_embeddings", kPositionsRange).value_or(defaults.max_positions);
  spec.max_target_positions = spec.max_source_positions;
  ReadTokens(config, defaults, spec);
  return spec;
}

void CheckSpecialTokens(ConfigFields& config, std::string_view field, const ModelSpec& spec) {
  TokenId largest = std::max(spec.pad_token, spec.decoder_start_token);
  for (const TokenId token : spec.eos_tokens) largest = std::max(largest, token);
  if (largest < spec.vocab_size) return;
  config.Reject(field, absl::StrCat("must be more than the special token ", largest));
}

TensorNames NameBartTensors(const ModelSpec& spec) {
  return NameTensors(kPrefix, spec);
}

absl::Status SettleBartTensors(const TensorSource& tensors, ModelSpec& spec, TensorNames& names) {
  const TensorNames bare = NameTensors("", spec);
  const std::string prefix = tensors.Contains(bare.encoder.layers[0].ffn_up) ? "" : kPrefix;
  names = NameTensors(prefix, spec);
  if (spec.tied_embeddings) {
    absl::Status status = TieTables(tensors, spec, prefix, names);
    if (!status.ok()) return status;
  } else {
    names.encoder.embedding = prefix + "encoder.embed_tokens.weight";
    names.decoder.embedding = prefix + "decoder.embed_tokens.weight";
  }
  spec.tied_embeddings = names.output == names.decoder.embedding;
  if (!tensors.Contains(names.output_bias)) names.output_bias.clear();
  if (spec.positions.kind == PositionKind::kSinusoidMarian) {
    // Written by some versions of transformers, and then read by all.
    for (const auto& [stack, name] :
         {std::pair{&names.encoder, "encoder"}, std::pair{&names.decoder, "decoder"}}) {
      const std::string stored = absl::StrCat(prefix, name, ".embed_positions.weight");
      if (tensors.Contains(stored)) stack->positions = stored;
    }
  }
  return absl::OkStatus();
}

}  // namespace transept
