#include "engine/runner/cpu_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/decode/distribution.h"
#include "engine/decode/sampler.h"
#include "engine/runner/token_results.h"
#include "engine/types/require.h"

namespace transept {

CpuRunner::CpuRunner(const Model* model, int threads)
    : model_(*model),
      pool_(threads),
      executor_(&pool_),
      inputs_(model->options().block_size, PaddingWithoutPosition(model->spec())),
      last_tokens_(model->options().max_rows, model->spec().pad_token),
      ancestry_(model->options().max_rows, model->options().max_decoder_tokens + 1) {}

absl::Span<float> CpuRunner::Logits(size_t index) const {
  const kernels::Activations& logits = model_.logits();
  return {static_cast<float*>(logits.data) + index * logits.stride,
          static_cast<size_t>(logits.width)};
}

GeneratedToken CpuRunner::ChooseRow(const RowPlan& row, const SourceView& source,
                                    absl::Span<float> logits) const {
  std::vector<TokenId> with_pending;
  absl::Span<const TokenId> history = row.history;
  if (row.tokens.empty()) {
    with_pending.assign(history.begin(), history.end());
    with_pending.push_back(last_tokens_[row.slot]);
    history = with_pending;
  }
  return ChooseToken(*row.params,
                     {.history = history,
                      .source = source.tokens,
                      .prompt_length = row.prompt_length,
                      .hypothesis = row.hypothesis},
                     logits);
}

std::vector<RankedCandidate> CpuRunner::ContinueRow(const RowPlan& row, const SourceView& source,
                                                    absl::Span<float> logits,
                                                    std::vector<TokenLogprob>* top) const {
  Require(!row.tokens.empty(), "a beam whose token the scheduler has not seen");
  return BestContinuations(*row.params,
                           {.history = row.history,
                            .source = source.tokens,
                            .prompt_length = row.prompt_length,
                            .hypothesis = row.hypothesis},
                           row.beam_score, logits, top);
}

void CpuRunner::ChooseBeams(absl::Span<const RowPlan> rows, StepResult* result) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const DecodeParams& params = *rows[i].params;
    if (!params.beam_search() || rows[i].hypothesis > 0) continue;
    result->beams.push_back(
        ChooseCandidates(params, absl::MakeConstSpan(continuations_).subspan(i, params.num_beams)));
    ancestry_.Continue(rows.subspan(i, params.num_beams), result->beams.back());
  }
}

absl::Status CpuRunner::Encode(const StepPlan& plan, StepResult* result) {
  inputs_.BuildEncoder(plan);
  const kernels::EncoderInputs inputs = inputs_.encoder();
  if (absl::Status fits = CheckFits(inputs, model_.options().max_encoder_tokens); !fits.ok()) {
    return fits;
  }
  executor_.Run(model_.encoder(), inputs);
  Pool(plan, result);
  return absl::OkStatus();
}

void CpuRunner::Pool(const StepPlan& plan, StepResult* result) {
  const StateRows rows = StateRowsOf(plan, model_.spec().eos_tokens);
  const kernels::Activations& output = model_.encoder_output();
  std::vector<float> states(rows.ranges.size() * output.width);
  pool_.ParallelFor(static_cast<int64_t>(rows.ranges.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const kernels::TokenRange range = rows.ranges[row];
      float* const state = states.data() + row * output.width;
      for (int64_t token = range.begin; token < range.end; ++token) {
        const float* const in = static_cast<const float*>(output.data) + token * output.stride;
        for (int64_t i = 0; i < output.width; ++i) state[i] += in[i];
      }
      for (int64_t i = 0; i < output.width; ++i) state[i] /= range.end - range.begin;
    }
  });
  result->states = Share(states, output.width, rows.counts);
}

void CpuRunner::Score(const StepPlan& plan, RowRange range, StepResult* result) {
  const ScoredTokens scored = ScoredTokensOf(plan, range);
  std::vector<float> logprobs(scored.targets.size());
  const size_t most = model_.options().max_rows;
  for (size_t first = 0; first < logprobs.size(); first += most) {
    kernels::DecoderInputs inputs;
    inputs.num_rows = static_cast<int32_t>(std::min(most, logprobs.size() - first));
    inputs.num_tokens = inputs.num_rows;
    inputs.query_offsets = scored.offsets.data() + first;
    executor_.Run(model_.head(), inputs);
    pool_.ParallelFor(inputs.num_rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const absl::Span<const float> scores = Logits(row);
        logprobs[first + row] = Summarize(scores).LogProb(scores[scored.targets[first + row]]);
      }
    });
  }
  for (std::vector<float>& share : Share(logprobs, 1, scored.counts)) {
    result->target_logprobs.push_back(std::move(share));
  }
}

void CpuRunner::RunDecoder(const StepPlan& plan, RowRange range) {
  for (size_t i = range.begin; i < range.end; ++i) {
    const RowPlan& row = plan.rows[i];
    if (row.params->beam_search() && row.starts()) ancestry_.Start(row);
  }
  inputs_.BuildDecoder(plan, range, last_tokens_);
  kernels::DecoderInputs inputs = inputs_.decoder();
  ancestry_.AddTo(&inputs);
  executor_.Run(model_.decoder(), inputs);
}

StepPlan CpuRunner::FeedLongBeams(StepPlan plan) {
  const auto limit = static_cast<size_t>(model_.options().max_decoder_tokens);
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    RowPlan& row = plan.rows[i];
    const size_t tokens = row.tokens.size();
    if (!row.params->beam_search() || row.shared_past) continue;
    if (row.params->num_beams * tokens <= limit) continue;
    const absl::Span<const TokenId> fed = std::exchange(row.tokens, row.tokens.first(tokens - 1));
    RunDecoder(plan, {i, i + 1});
    row.tokens = fed.last(1);
    row.first_position += static_cast<int32_t>(tokens) - 1;
  }
  return plan;
}

absl::Status CpuRunner::Decode(const StepPlan& whole_plan, StepResult* result) {
  const RunLimits limits{.rows = static_cast<size_t>(model_.options().max_rows),
                         .tokens = static_cast<size_t>(model_.options().max_decoder_tokens)};
  const StepPlan plan = FeedLongBeams(whole_plan);
  result->rows.resize(plan.rows.size());
  RowRange range;
  while (range.end < plan.rows.size()) {
    range = NextRange(plan, range.end, limits);
    if (range.begin == range.end) {
      return absl::InternalError(absl::StrCat("a row is fed ", plan.rows[range.begin].tokens.size(),
                                              " tokens; the buffers hold ",
                                              model_.options().max_decoder_tokens));
    }
    const auto rows = absl::MakeConstSpan(plan.rows).subspan(range.begin, range.end - range.begin);
    RunDecoder(plan, range);
    continuations_.resize(std::max(continuations_.size(), rows.size()));
    const auto choose = [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const RowPlan& row = rows[i];
        const SourceView& source = plan.sources[row.source];
        if (row.params->beam_search()) {
          std::vector<TokenLogprob>* const top = &result->rows[range.begin + i].top;
          continuations_[i] = ContinueRow(row, source, Logits(i), top);
        } else if (row.targets.empty()) {
          result->rows[range.begin + i] = ChooseRow(row, source, Logits(i));
        }
      }
    };
    pool_.ParallelFor(static_cast<int64_t>(rows.size()), 1, choose);
    ChooseBeams(rows, result);
    Score(plan, range, result);
  }
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    last_tokens_[plan.rows[i].slot] = result->rows[i].token;
  }
  return absl::OkStatus();
}

absl::StatusOr<Ticket> CpuRunner::Launch(const StepPlan& plan) {
  const TimePoint start = Clock::now();
  StepResult result;
  result.id = plan.id;
  if (!plan.encode.empty()) {
    if (absl::Status status = Encode(plan, &result); !status.ok()) return status;
    result.encoded = plan.id;
    result.encode_time = Clock::now() - start;
  }
  if (absl::Status status = Decode(plan, &result); !status.ok()) return status;
  result.step_time = Clock::now() - start;
  result_ = std::move(result);
  return Ticket{plan.id};
}

absl::StatusOr<StepResult> CpuRunner::Collect(Ticket ticket) {
  if (!result_.has_value() || result_->id != ticket.step) {
    return absl::InternalError(absl::StrCat("step ", ticket.step, " was not launched last"));
  }
  return *std::exchange(result_, std::nullopt);
}

}  // namespace transept
