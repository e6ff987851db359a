// What the engine hands back.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/types/request.h"

namespace transept {

enum class FinishReason : uint8_t { kEos, kLength, kStopSequence };

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0.0f;
};

// One generated token. `logprob` is its natural log-probability after the logits processors and
// before temperature, top-k, top-p and min-p; in beam search, what it added to its beam's score.
// `top` are the most likely tokens of the same distribution, best first (DecodeParams::top_logprobs
// of them); in beam search those that would have added most to that beam's score.
struct GeneratedToken {
  TokenId token = 0;
  float logprob = 0.0f;
  std::vector<TokenLogprob> top;
};

// A finished output: `tokens` without decoder start, prefix, final EOS and padding. `score` is the
// sum of the log-probabilities of all chosen tokens, the EOS included; in beam search it is divided
// by their number to the power of the length penalty. Or a target that was scored: all of its
// tokens, and the sum.
struct Hypothesis {
  std::vector<GeneratedToken> tokens;
  float score = 0.0f;
  FinishReason finish_reason = FinishReason::kLength;
  std::optional<GeneratedToken> eos = std::nullopt;  // the final EOS, if that was the reason
};

struct RequestTimings {
  double queue_ms = 0;   // Submit to admission
  double encode_ms = 0;  // the encoder steps this request took part in
  double decode_ms = 0;  // admission to end, less encode_ms
  double total_ms = 0;   // Submit to end
};

struct Result {
  // Best first (sampling: in row order), or Request::targets, scored, in their order.
  std::vector<Hypothesis> hypotheses;
  std::vector<float> states;  // Encode: [1 or source tokens, d_model]
  int32_t source_tokens = 0;
  bool encoder_reused = false;
  RequestTimings timings;
};

// Receives one request's output on the engine thread, in order: any number of OnTokens, then
// exactly one OnFinish, after which the engine drops its reference. Implementations must not block.
class ResultSink {
 public:
  virtual ~ResultSink() = default;

  // Tokens appended to `hypothesis` since the last call. A token that may still turn out to belong
  // to a stop sequence is delivered like any other. In beam search these are tokens that every
  // output will begin with; the rest of each is in the result alone.
  virtual void OnTokens(int hypothesis, absl::Span<const GeneratedToken> tokens) = 0;

  // The end: a result, or why there is none (CANCELLED, DEADLINE_EXCEEDED, INTERNAL, ...).
  virtual void OnFinish(absl::StatusOr<Result> result) = 0;
};

}  // namespace transept
