// What the tests of the whole engine share: a model small enough to run at once.
#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "engine/engine.h"
#include "engine/types/model_spec.h"
#include "engine/types/request.h"
#include "tests/support/collecting_sink.h"

namespace transept {

// Awkward on purpose: heads * head_size differs from d_model, more decoder than encoder layers.
inline ModelSpec TinySpec() {
  ModelSpec spec;
  spec.family = "t5";
  spec.vocab_size = 97;
  spec.d_model = 24;
  spec.encoder.num_layers = 1;
  spec.encoder.num_heads = spec.encoder.num_kv_heads = 3;
  spec.encoder.head_size = 12;
  spec.encoder.ffn_size = 40;
  spec.encoder.relative_positions = {.num_buckets = 16, .max_distance = 20, .per_layer = false};
  spec.decoder = spec.encoder;
  spec.decoder.num_layers = 2;
  spec.activation = kernels::ActivationFunction::kGeluTanh;
  spec.gated_ffn = true;
  spec.eos_tokens = {1};
  return spec;
}

inline config::EngineConfig SmallConfig() {
  config::EngineConfig config;
  config.threads = 2;
  config.block_size = 4;
  config.kv_cache_mib = 1;
  config.max_rows = 8;
  config.max_encoder_tokens = 32;
  config.max_queue = 1000;
  config.max_source_tokens = 64;
  config.max_new_tokens = 64;
  return config;
}

inline absl::StatusOr<Result> RunAlone(Engine* engine, const Request& request) {
  auto sink = std::make_shared<CollectingSink>();
  const auto id = engine->Submit(request, sink);
  if (!id.ok()) return id.status();
  return sink->Wait();
}

inline std::vector<std::vector<TokenId>> AllTokens(const Result& result) {
  std::vector<std::vector<TokenId>> all;
  for (const Hypothesis& hypothesis : result.hypotheses) all.push_back(TokensOf(hypothesis));
  return all;
}

// Blocks that requests still hold; the source cache's own are not among them.
inline int64_t BlocksHeld(const Engine& engine) {
  const EngineStats stats = engine.Stats();
  return stats.blocks_used - stats.blocks_cached;
}

}  // namespace transept
