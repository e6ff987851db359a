// tokenizer.json, the file of the Hugging Face tokenizers library, where its model is Unigram or
// BPE.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/subword_tokenizer.h"

namespace transept {

inline constexpr JsonLimits kTokenizerJsonLimits = {.max_bytes = int64_t{64} << 20};

// What `file` says, as the tokenizers library reads it; padding and truncation aside, which
// transformers sets anew for each call.
// INVALID_ARGUMENT names file, field and value at fault, or the parts that are not supported.
absl::StatusOr<SubwordTokenizerOptions> ReadTokenizerJson(const JsonDocument& file);

}  // namespace transept
