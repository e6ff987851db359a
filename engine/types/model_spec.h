// A model's architecture as data. One encoder and one decoder (engine/model) walk it for every
// family; a family (engine/checkpoint) fills it from config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/operation.h"

namespace transept {

using TokenId = int32_t;

// T5's bucketed relative positions (self-attention only).
struct RelativePositionSpec {
  int32_t num_buckets = 0;  // 0 = none
  int32_t max_distance = 0;
  bool per_layer = false;  // UMT5: every layer has a table; else all use layer 0's
};

// Where a stack's norms stand.
enum class NormPlacement : uint8_t {
  kBefore,  // x + f(norm(x)) in every block, and a norm of the last one's result
  kAfter,   // norm(x + f(x))
};

// Vectors that are added to the embeddings; the same kind in both stacks.
enum class PositionKind : uint8_t {
  kNone,
  kLearned,
  // Row p is [sin(p w_0), sin(p w_1), ... | cos(p w_0), cos(p w_1), ...]; they differ in w_k:
  kSinusoidMarian,   // 10000^(-2k / d_model)
  kSinusoidFairseq,  // 10000^(-k / (d_model / 2 - 1))
};

struct PositionSpec {
  PositionKind kind = PositionKind::kNone;
  int32_t offset = 0;  // position 0 is this row of the table
  // Whether the padding token has no position, and is embedded with a row of zeros in front of
  // position 0's.
  bool skips_padding = false;
};

struct StackSpec {
  int32_t num_layers = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;
  int32_t head_size = 0;  // num_heads * head_size may differ from d_model
  int32_t ffn_size = 0;
  float attention_scale = 1.0f;  // multiplies q·k
  RelativePositionSpec relative_positions;

  int64_t inner_size() const { return int64_t{num_heads} * head_size; }
  int64_t kv_size() const { return int64_t{num_kv_heads} * head_size; }
};

struct ModelSpec {
  std::string family;  // "t5", "umt5", ...: names the file in engine/checkpoint that filled this
  int32_t vocab_size = 0;          // of the target, and of the source unless:
  int32_t encoder_vocab_size = 0;  // of an embedding of the encoder's own; 0 = it has none
  int32_t d_model = 0;
  StackSpec encoder;
  StackSpec decoder;

  kernels::NormKind norm = kernels::NormKind::kRms;
  NormPlacement norm_placement = NormPlacement::kBefore;
  float norm_eps = 1e-6f;
  bool biases = false;  // linear layers and norms have one; not together with gated_ffn
  kernels::ActivationFunction activation = kernels::ActivationFunction::kRelu;
  bool gated_ffn = false;
  float embedding_scale = 1.0f;
  PositionSpec positions;
  bool embedding_norm = false;   // behind embedding and position
  float output_scale = 1.0f;     // multiplies the decoder's final norm before the output projection
  bool tied_embeddings = false;  // the output projection is the embedding table

  TokenId decoder_start_token = 0;
  TokenId pad_token = 0;
  std::vector<TokenId> eos_tokens;   // never empty
  int32_t max_source_positions = 0;  // 0 = unlimited (relative positions)
  int32_t max_target_positions = 0;  // 0 = unlimited

  int32_t source_vocab_size() const { return encoder_vocab_size ? encoder_vocab_size : vocab_size; }

  // The dtype that the checkpoint's tensors (most of them) are stored in.
  kernels::DataType stored_dtype = kernels::DataType::kFloat32;
};

}  // namespace transept
