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

// Which of the encoder's states an Encode request gets.
enum class Pooling : uint8_t {
  kAll,    // one for each source position
  kMean,   // the mean of them
  kFirst,  // that of the first position
  kLast,   // that of the last EOS, or of the last position of a source without one
};

// Three kinds of work: a request with targets is scored, one with `pooling` encoded, and any other
// generates.
struct Request {
  std::vector<TokenId> source;           // used exactly as given, never empty
  std::optional<TokenId> decoder_start;  // in place of the model's: mBART's target language
  int32_t priority = 0;                  // higher is sooner
  std::optional<TimePoint> deadline;

  // Generate; as they are here in all other requests.
  std::vector<TokenId> target_prefix;  // follows the decoder start token; may be empty
  DecodeParams params;

  // Score: the model's own log-probabilities of these, without logits processors. Each follows the
  // decoder start token, is used exactly as given and is not empty.
  std::vector<std::vector<TokenId>> targets;

  // Encode: the encoder runs whatever the source cache holds, which has no states.
  std::optional<Pooling> pooling;

  bool scores() const { return !targets.empty(); }
  // Decoder rows.
  int32_t rows() const {
    if (pooling) return 0;
    return scores() ? static_cast<int32_t>(targets.size()) : params.rows();
  }
};

}  // namespace transept
