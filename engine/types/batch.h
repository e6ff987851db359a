// One step of the engine as plain data: all that passes between the scheduler and the runner.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "engine/types/clock.h"
#include "engine/types/generation.h"
#include "engine/types/request.h"
#include "engine/types/result.h"

namespace transept {

using BlockId = int32_t;

// A source to encode; its cross K/V goes to `cross_blocks` through the cross slot mapping. Or it
// goes nowhere, where there are no blocks: then the states are wanted instead. A runner that
// encodes beside rows begins with it in this step and may take longer than the rows: other blocks
// alone are theirs until StepResult::encoded names the step, or one awaits the encoder. Otherwise
// it is done in front of them.
struct EncodeItem {
  absl::Span<const TokenId> source;
  absl::Span<const BlockId> cross_blocks;         // ceil(source.size() / block_size)
  std::optional<Pooling> pooling = std::nullopt;  // set where there are no blocks
};

// A request's source, and the cross pages that its rows read, which hold its K/V by then.
struct SourceView {
  absl::Span<const BlockId> cross_blocks = {};
  int32_t length = 0;  // encoder positions
  absl::Span<const TokenId> tokens = {};
};

// One decoder row: it is fed `tokens` at positions first_position, first_position + 1, ... and
// chooses the token that follows.
struct RowPlan {
  RequestId request = 0;
  int32_t hypothesis = 0;  // row number within the request
  // [0, max_rows): the row's place in persistent device state, its own until it ends or is
  // preempted. A row that starts() does so there afresh.
  int32_t slot = 0;
  int32_t source = 0;  // index into StepPlan::sources; rows of a request are adjacent
  // Tokens to feed. Empty: the one token that the row's previous step chose and that the scheduler
  // has not seen yet (it is still on the device). See shared_past.
  absl::Span<const TokenId> tokens;
  int32_t first_position = 0;
  // Positions in front that the row is never fed: an earlier step computed them for another row of
  // the request, in blocks that both have.
  int32_t inherited = 0;
  absl::Span<const BlockId> blocks;  // self-attention block table, covers all fed positions
  const DecodeParams* params = nullptr;
  // All target tokens known to the scheduler: decoder start, prefix, generated. A pending token is
  // not in it; of a beam with one, what is here beyond the prompt may be another's past by now.
  absl::Span<const TokenId> history;
  // To be scored: the token that should follow each of `tokens`. If there are any, the row chooses
  // none, and its `params` are not used.
  absl::Span<const TokenId> targets = {};
  // Decoder start and prefix: history[prompt_length] is the first generated token.
  int32_t prompt_length = 1;
  // For beam search, where all num_beams rows of a request are in the step, adjacent, in order, and
  // fed alike: the row's own score, if it is fed `tokens`. Else it is the one that its last step
  // chose it with, and is still on the device.
  float beam_score = 0.0f;
  // For beam search: all rows of the request have the same `tokens`, from position 0 on. Row 0
  // alone computes them; the others read what it writes, and choose by the same logits.
  bool shared_past = false;

  bool starts() const { return first_position == inherited; }
  // How many tokens a device computes for the row.
  int32_t tokens_computed() const {
    if (shared_past && hypothesis > 0) return 0;
    return tokens.empty() ? 1 : static_cast<int32_t>(tokens.size());
  }
};

// A planned step: encode, and decode; either may be empty. Steps take effect in the order of
// their ids: blocks and slots that one step uses may be given to others in the next. Every span and
// pointer is valid until Launch returns.
struct StepPlan {
  uint64_t id = 0;
  // The step begins when the sources of all earlier ones are encoded: its rows may read them. Where
  // there is nothing else in it, that is what it is for.
  bool awaits_encoder = false;
  std::vector<EncodeItem> encode;
  std::vector<SourceView> sources;
  std::vector<RowPlan> rows;

  bool empty() const { return encode.empty() && rows.empty() && !awaits_encoder; }
};

// A continuation that beam search chose: `token` behind the row `hypothesis` of its request.
struct BeamCandidate {
  int32_t hypothesis = 0;
  TokenId token = 0;
  float score = 0.0f;  // the row's score, and the token's log-probability
};

// What a step chose, in the order of StepPlan::rows.
//
// For a request in beam search the rows choose together: its beam_candidates() best continuations,
// best first, or with do_sample as many drawn without replacement, in the order of drawing. The
// num_beams best of them that are no EOS token, the first among equals, are at once the request's
// rows (NextBeams in engine/decode/beam_choice.h): such a row's past is that of the row it
// continues, and its token is pending. Of the rows' own tokens only `top` means something: the
// alternatives to all that continues the row, with what each would have added to its score.
struct StepResult {
  uint64_t id = 0;
  std::vector<GeneratedToken> rows;
  std::vector<std::vector<BeamCandidate>> beams = {};  // one for each request in beam search
  // Of each row with targets, in order: their log-probabilities.
  std::vector<std::vector<float>> target_logprobs = {};
  Duration step_time{};  // the whole step, but for what is encoded beside its rows
  // A step whose sources were encoded by the time this result was taken, this one or another that
  // was launched; 0 = none. Each that encodes is named once, in order, by the result of a step that
  // awaits the encoder at the latest.
  uint64_t encoded = 0;
  // What follows is of that step. Of each EncodeItem with a pooling: [1 or source tokens, d_model].
  std::vector<std::vector<float>> states = {};
  Duration encode_time{};
};

}  // namespace transept
