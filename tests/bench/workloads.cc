#include "tests/bench/workloads.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/config_fields.h"
#include "engine/checkpoint/family.h"
#include "engine/json/json.h"

namespace transept::bench {
namespace {

// config.json of published models, as far as it shapes the work.
constexpr char kFlanT5Small[] = R"({"model_type": "t5", "d_model": 512, "d_ff": 1024, "d_kv": 64,
    "num_heads": 6, "num_layers": 8, "vocab_size": 32128, "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": false, "decoder_start_token_id": 0})";
constexpr char kFlanT5Base[] = R"({"model_type": "t5", "d_model": 768, "d_ff": 2048, "d_kv": 64,
    "num_heads": 12, "num_layers": 12, "vocab_size": 32128, "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": false, "decoder_start_token_id": 0})";
constexpr char kFlanT5Large[] = R"({"model_type": "t5", "d_model": 1024, "d_ff": 2816, "d_kv": 64,
    "num_heads": 16, "num_layers": 24, "vocab_size": 32128, "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": false, "decoder_start_token_id": 0})";
constexpr char kFlanT5Xl[] = R"({"model_type": "t5", "d_model": 2048, "d_ff": 5120, "d_kv": 64,
    "num_heads": 32, "num_layers": 24, "vocab_size": 32128, "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": false, "decoder_start_token_id": 0})";
// facebook/bart-large-cnn
constexpr char kBartLarge[] = R"({"model_type": "bart", "d_model": 1024, "encoder_layers": 12,
    "decoder_layers": 12, "encoder_attention_heads": 16, "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "vocab_size": 50264,
    "max_position_embeddings": 1024})";
// facebook/nllb-200-distilled-600M
constexpr char kNllb600M[] = R"({"model_type": "m2m_100", "d_model": 1024, "encoder_layers": 12,
    "decoder_layers": 12, "encoder_attention_heads": 16, "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "vocab_size": 256206,
    "max_position_embeddings": 1024, "scale_embedding": true, "activation_function": "relu"})";
// Helsinki-NLP/opus-mt-en-de
constexpr char kOpusMt[] = R"({"model_type": "marian", "d_model": 512, "encoder_layers": 6,
    "decoder_layers": 6, "encoder_attention_heads": 8, "decoder_attention_heads": 8,
    "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "vocab_size": 58101,
    "max_position_embeddings": 512, "scale_embedding": true, "activation_function": "swish",
    "decoder_start_token_id": 58100, "pad_token_id": 58100, "eos_token_id": 0})";

struct Shape {
  std::string_view name;
  const char* model;
  int32_t source_tokens;
  int32_t new_tokens;
  int32_t num_beams = 1;
};
constexpr Shape kShapes[] = {
    {"t5s-32-32", kFlanT5Small, 32, 32},      {"t5b-128-64", kFlanT5Base, 128, 64},
    {"t5l-512-128", kFlanT5Large, 512, 128},  {"t5xl-512-128", kFlanT5Xl, 512, 128},
    {"bart-1024-128", kBartLarge, 1000, 128}, {"bart-1024-128-b4", kBartLarge, 1000, 128, 4},
    {"nllb-64-64", kNllb600M, 64, 64},        {"opus-32-32", kOpusMt, 32, 32},
    {"opus-32-32-b4", kOpusMt, 32, 32, 4},
};

absl::StatusOr<ModelSpec> ReadModel(const char* text) {
  const absl::StatusOr<JsonDocument> config = JsonDocument::Parse(text, "config.json");
  if (!config.ok()) return config.status();
  const absl::StatusOr<std::string> type = (*config)["model_type"].AsString();
  if (!type.ok()) return type.status();
  const Family* const family = FindFamily(*type);
  if (family == nullptr) return absl::NotFoundError("no family " + *type);
  ConfigFields fields(config->root());
  ModelSpec spec = family->read_config(fields);
  if (!fields.status().ok()) return fields.status();
  spec.family = *type;
  return spec;
}

}  // namespace

absl::StatusOr<Workload> FindWorkload(std::string_view name) {
  std::string names;
  for (const Shape& shape : kShapes) {
    if (shape.name == name) {
      absl::StatusOr<ModelSpec> model = ReadModel(shape.model);
      if (!model.ok()) return model.status();
      return Workload{.name = std::string(name),
                      .model = *std::move(model),
                      .source_tokens = shape.source_tokens,
                      .new_tokens = shape.new_tokens,
                      .num_beams = shape.num_beams};
    }
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(shape.name));
  }
  return absl::NotFoundError(
      absl::StrCat("no workload ", std::string(name), ": there are ", names));
}

Request RandomRequest(const ModelSpec& model, int32_t source_tokens, int32_t new_tokens,
                      std::mt19937* random) {
  std::uniform_int_distribution<TokenId> token(5, std::min(model.vocab_size, 30000) - 1);
  Request request;
  request.source.resize(source_tokens);
  for (TokenId& id : request.source) id = token(*random);
  request.params.max_new_tokens = new_tokens;
  request.params.min_new_tokens = new_tokens;
  request.params.eos_tokens = model.eos_tokens;
  return request;
}

}  // namespace transept::bench
