// Any bytes as config.json, read by every family: an accepted one gives dimensions that the engine
// can multiply without overflow, and names for every layer.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/checkpoint/config_fields.h"
#include "engine/checkpoint/family.h"
#include "engine/types/require.h"

namespace {

using transept::Require;

void CheckStack(const transept::StackSpec& stack) {
  Require(stack.num_layers > 0 && stack.num_layers <= 1024, "layers");
  Require(stack.num_heads > 0 && stack.head_size > 0 && stack.ffn_size > 0, "sizes");
  Require(stack.inner_size() <= 1 << 16 && stack.num_kv_heads == stack.num_heads, "heads");
}

void CheckPositions(const transept::ModelSpec& spec) {
  const transept::RelativePositionSpec& relative = spec.encoder.relative_positions;
  if (spec.positions.kind == transept::PositionKind::kNone) {
    Require(relative.num_buckets >= 4 && relative.max_distance > 0, "relative positions");
  } else {
    Require(spec.positions.offset >= 0 && spec.max_source_positions > 0 &&
                spec.max_target_positions > 0,
            "positions");
  }
}

void CheckSpec(const transept::Family& family, const transept::ModelSpec& spec) {
  CheckStack(spec.encoder);
  CheckStack(spec.decoder);
  CheckPositions(spec);
  Require(spec.vocab_size > 0 && spec.d_model > 0, "sizes");
  Require(spec.norm_eps >= 0 && spec.norm_eps <= 1, "epsilon");
  Require(spec.pad_token < spec.vocab_size && spec.decoder_start_token < spec.vocab_size, "tokens");
  Require(!spec.eos_tokens.empty(), "no end of sequence");
  for (const transept::TokenId token : spec.eos_tokens) Require(token < spec.vocab_size, "tokens");
  const transept::TensorNames names = family.name_tensors(spec);
  Require(names.encoder.layers.size() == static_cast<size_t>(spec.encoder.num_layers),
          "encoder names");
  Require(names.decoder.layers.size() == static_cast<size_t>(spec.decoder.num_layers),
          "decoder names");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = transept::JsonDocument::Parse(text, "config.json", transept::kConfigLimits);
  if (!json.ok()) return 0;
  for (const char* model_type : {"t5", "mt5", "umt5", "bart", "mbart", "marian", "m2m_100",
                                 "pegasus", "plbart", "blenderbot"}) {
    const transept::Family* const family = transept::FindFamily(model_type);
    transept::ConfigFields fields(json->root());
    const transept::ModelSpec spec = family->read_config(fields);
    if (fields.status().ok()) CheckSpec(*family, spec);
  }
  return 0;
}
