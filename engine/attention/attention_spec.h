// What an attention layer needs from the backend that runs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "kernels/dtype.h"
#include "kernels/operation.h"

namespace transept {

enum class AttentionType : uint8_t {
  kDecoder,         // causal self-attention over the row's own paged past
  kEncoderOnly,     // bidirectional within a source, no K/V cache
  kEncoderDecoder,  // cross-attention: decoder queries, the source's paged K/V
};

// "decoder", "encoder_only", "encoder_decoder".
const char* Name(AttentionType type);

struct AttentionSpec {
  AttentionType type = AttentionType::kDecoder;
  int32_t head_size = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;
  kernels::DataType dtype = kernels::DataType::kFloat32;           // of queries and outputs
  kernels::DataType kv_cache_dtype = kernels::DataType::kFloat32;  // unused by kEncoderOnly
  int32_t block_size = 0;                                          // unused by kEncoderOnly
  bool has_bias = false;                                           // relative position bias
  float scale = 1.0f;                                              // multiplies q·k
};

// The shape as kernels take it.
kernels::AttentionShape ShapeOf(const AttentionSpec& spec);

// OK, or INVALID_ARGUMENT when `spec` is of another type than `layer` serves.
absl::Status CheckType(const AttentionSpec& spec, AttentionType type, std::string_view layer);

// One line with every field, for error messages and the log.
std::string DebugString(const AttentionSpec& spec);

}  // namespace transept
