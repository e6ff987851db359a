// From what a request, the server and the checkpoint say to what the decoding chain does.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/types/generation.h"
#include "engine/types/model_spec.h"

namespace transept {

inline constexpr int32_t kMaxStopSequences = 16;
inline constexpr int32_t kMaxStopSequenceBytes = 256;

// What options are checked against: constant for one model instance.
struct OptionLimits {
  const ModelSpec* model = nullptr;  // vocabulary, EOS tokens, target positions
  int32_t max_new_tokens = 0;        // largest a request may ask for (EngineConfig)
  int32_t max_rows = 0;              // rows of one step (EngineConfig)
  bool has_tokenizer = true;         // stop sequences need one
};

// What of the request itself matters.
struct OptionContext {
  int32_t target_prefix_length = 0;  // without the decoder start token
  uint64_t seed = 0;                 // for sampling without a seed of its own: a random number
  // The request's bad_words as ids; banned beside whatever bad_words_ids come to.
  std::vector<std::vector<TokenId>> bad_words = {};
};

// Merges the layers field by field: `request`, then `defaults` in order (the server's
// configuration, the checkpoint's generation_config.json), then the defaults of transformers 5.17
// (20 new tokens, top_k 50, ...). A fixed maximum or minimum length and one in new tokens are one
// field for this: the first layer that gives either decides, and within it max_new_tokens beats
// max_length.
//
// Errors are FieldError("options.<name>"), or "target_prefix" when it and the decoder start
// take more positions than the model has; FAILED_PRECONDITION for stop sequences without a
// tokenizer. What a request says is never changed in silence; of the defaults, lengths are cut to
// the limits. A default out of range is an error too: resolve an empty request when a model is
// loaded to see it there.
//
// Sampling options without do_sample, and those of beam search without beams, are checked and then
// ignored, as transformers does.
// top_logprobs, which is not a generation option, stays 0.
absl::StatusOr<DecodeParams> ResolveOptions(const GenerationOptions& request,
                                            absl::Span<const GenerationOptions* const> defaults,
                                            const OptionLimits& limits,
                                            const OptionContext& context);

}  // namespace transept
