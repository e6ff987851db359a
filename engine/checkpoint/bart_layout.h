// What the families that transformers made after BART share: fields of config.json and names of
// tensors. They differ in norms, positions and defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/config_fields.h"
#include "engine/types/model_spec.h"

namespace transept {

// What transformers takes for fields that config.json leaves out. No `start` is the start of a
// sequence (bos_token_id), token 0 by default.
struct BartDefaults {
  int32_t vocab_size = 50265;
  int32_t d_model = 1024;
  int32_t encoder_layers = 12;
  int32_t decoder_layers = 12;
  int32_t heads = 16;
  int32_t ffn = 4096;
  int32_t max_positions = 1024;
  const char* activation = "gelu";
  bool scale_embedding = false;
  TokenId pad = 1;
  TokenId eos = 2;
  std::optional<TokenId> start = {};
};

// The architecture according to config.json but for norm_placement, embedding_norm and positions,
// which are BART's here: norms behind the blocks and behind the embedding, learned positions from
// row 2 on.
ModelSpec ReadBartLayout(ConfigFields& config, const BartDefaults& defaults);

// Rejects `field`, which spec.vocab_size stood in, if a special token lies beyond.
void CheckSpecialTokens(ConfigFields& config, std::string_view field, const ModelSpec& spec);

// Members of Family (engine/checkpoint/family.h).
TensorNames NameBartTensors(const ModelSpec& spec);
// Settles the prefix of names (a file saved from the model without a head has none), which of the
// three token tables are one, and whether there are stored sinusoids and a bias of the logits.
absl::Status SettleBartTensors(const TensorSource& tensors, ModelSpec& spec, TensorNames& names);

}  // namespace transept
