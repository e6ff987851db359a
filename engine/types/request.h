// What a client asks the engine for, after tokenizing and option merging.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/types/clock.h"
#include "engine/types/generation.h"

namespace transept {

// Given by the engine at Submit; never reused.
using RequestId = uint64_t;

struct Request {
  std::vector<TokenId> source;         // used exactly as given, never empty
  std::optional<TokenId> decoder_start;  // in place of the model's: mBART's target language
  std::vector<TokenId> target_prefix;    // follows the decoder start token; may be empty
  DecodeParams params;
  int32_t priority = 0;  // higher is sooner
  std::optional<TimePoint> deadline;
};

}  // namespace transept
