#include "engine/attention/attention_spec.h"

#include "absl/strings/str_cat.h"

namespace transept {

const char* Name(AttentionType type) {
  switch (type) {
    case AttentionType::kDecoder: return "decoder";
    case AttentionType::kEncoderOnly: return "encoder_only";
    case AttentionType::kEncoderDecoder: return "encoder_decoder";
  }
  return "unknown";
}

std::string DebugString(const AttentionSpec& spec) {
  return absl::StrCat("type ", Name(spec.type), ", head_size ", spec.head_size, ", num_heads ",
                      spec.num_heads, ", num_kv_heads ", spec.num_kv_heads, ", dtype ",
                      kernels::Name(spec.dtype), ", kv_cache_dtype ",
                      kernels::Name(spec.kv_cache_dtype), ", block_size ", spec.block_size,
                      ", bias ", spec.has_bias ? "yes" : "no");
}

kernels::AttentionShape ShapeOf(const AttentionSpec& spec) {
  return {.num_heads = spec.num_heads,
          .num_kv_heads = spec.num_kv_heads,
          .head_size = spec.head_size,
          .scale = spec.scale};
}

absl::Status CheckType(const AttentionSpec& spec, AttentionType type, std::string_view layer) {
  if (spec.type == type) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(absl::string_view(layer.data(), layer.size()),
                                                 " serves attention type ", Name(type), ", not ",
                                                 Name(spec.type)));
}

}  // namespace transept
