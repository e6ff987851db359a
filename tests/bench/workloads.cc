#include "tests/bench/workloads.h"

#include <algorithm>

namespace transept::bench {
namespace {

struct FlanT5Size {
  int32_t d_model;
  int32_t d_ff;
  int32_t num_heads;
  int32_t num_layers;
};

// google/flan-t5-*: the published config.json values.
ModelSpec FlanT5(const FlanT5Size& size) {
  StackSpec stack;
  stack.num_layers = size.num_layers;
  stack.num_heads = size.num_heads;
  stack.num_kv_heads = size.num_heads;
  stack.head_size = 64;
  stack.ffn_size = size.d_ff;
  stack.relative_positions = {.num_buckets = 32, .max_distance = 128, .per_layer = false};

  ModelSpec spec;
  spec.family = "t5";
  spec.vocab_size = 32128;
  spec.d_model = size.d_model;
  spec.encoder = stack;
  spec.decoder = stack;
  spec.activation = kernels::ActivationFunction::kGeluTanh;
  spec.gated_ffn = true;
  spec.eos_tokens = {1};
  return spec;
}

}  // namespace

const std::vector<Workload>& Workloads() {
  static const auto& workloads = *new std::vector<Workload>{
      {"t5s-32-32", FlanT5({.d_model = 512, .d_ff = 1024, .num_heads = 6, .num_layers = 8}), 32,
       32},
      {"t5b-128-64", FlanT5({.d_model = 768, .d_ff = 2048, .num_heads = 12, .num_layers = 12}), 128,
       64},
      {"t5l-512-128", FlanT5({.d_model = 1024, .d_ff = 2816, .num_heads = 16, .num_layers = 24}),
       512, 128},
      {"t5xl-512-128", FlanT5({.d_model = 2048, .d_ff = 5120, .num_heads = 32, .num_layers = 24}),
       512, 128},
  };
  return workloads;
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
