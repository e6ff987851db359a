// generation_config.json: how a checkpoint wants to be used unless a request says otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/config_fields.h"
#include "engine/types/generation.h"
#include "engine/types/model_spec.h"

namespace transept {

struct GenerationDefaults {
  GenerationOptions options;  // without eos_token_ids, which is here:
  std::optional<std::vector<TokenId>> eos_tokens;
  std::optional<TokenId> decoder_start_token;
};

// Reads generation_config.json, or an older config.json that has the same fields. A field that
// transformers 5.17's generate would honour and we cannot is an error unless it has its neutral
// value; fields that do not change the output are ignored. Those of sampling may be any finite
// number here: whether one is out of range matters where something samples, in ResolveOptions.
// Errors are left in fields.status().
GenerationDefaults ReadGenerationConfig(ConfigFields& fields, int32_t vocab_size);

// The fields of a generation_config.json, read before, of which nobody here knows what they do:
// later transformers, or code that came with the checkpoint, may honour them. In byte order.
std::vector<std::string> UnknownGenerationFields(const ConfigFields& fields);

}  // namespace transept
