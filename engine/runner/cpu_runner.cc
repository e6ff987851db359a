#include "engine/runner/cpu_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/decode/sampler.h"

namespace transept {

CpuRunner::CpuRunner(const Model* model, int threads)
    : model_(*model),
      pool_(threads),
      executor_(&pool_),
      inputs_(model->options().block_size),
      last_tokens_(model->options().max_rows, model->spec().pad_token) {}

GeneratedToken CpuRunner::ChooseRow(const RowPlan& row, size_t index) const {
  const kernels::Activations& logits = model_.logits();
  const absl::Span<float> scores(static_cast<float*>(logits.data) + index * logits.stride,
                                 logits.width);
  std::vector<TokenId> with_pending;
  absl::Span<const TokenId> history = row.history;
  if (row.tokens.empty()) {
    with_pending.assign(history.begin(), history.end());
    with_pending.push_back(last_tokens_[row.slot]);
    history = with_pending;
  }
  return ChooseToken(
      *row.params,
      {.history = history, .prompt_length = row.prompt_length, .hypothesis = row.hypothesis},
      scores);
}

absl::Status CpuRunner::Encode(const StepPlan& plan) {
  inputs_.BuildEncoder(plan);
  const kernels::EncoderInputs inputs = inputs_.encoder();
  if (inputs.num_tokens > model_.options().max_encoder_tokens) {
    return absl::InternalError(absl::StrCat("a step encodes ", inputs.num_tokens,
                                            " tokens; the buffers hold ",
                                            model_.options().max_encoder_tokens));
  }
  executor_.Run(model_.encoder(), inputs);
  return absl::OkStatus();
}

absl::Status CpuRunner::Decode(const StepPlan& plan, std::vector<GeneratedToken>* chosen) {
  chosen->resize(plan.rows.size());
  const RunLimits limits{.rows = static_cast<size_t>(model_.options().max_rows),
                         .tokens = static_cast<size_t>(model_.options().max_decoder_tokens)};
  RowRange range;
  while (range.end < plan.rows.size()) {
    range = NextRange(plan, range.end, limits);
    if (range.begin == range.end) {
      return absl::InternalError(absl::StrCat("a row is fed ", plan.rows[range.begin].tokens.size(),
                                              " tokens; the buffers hold ",
                                              model_.options().max_decoder_tokens));
    }
    inputs_.BuildDecoder(plan, range, last_tokens_);
    executor_.Run(model_.decoder(), inputs_.decoder());
    pool_.ParallelFor(static_cast<int64_t>(range.end - range.begin), 1,
                      [&](int64_t first, int64_t last) {
                        for (int64_t i = first; i < last; ++i) {
                          (*chosen)[range.begin + i] = ChooseRow(plan.rows[range.begin + i], i);
                        }
                      });
  }
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    last_tokens_[plan.rows[i].slot] = (*chosen)[i].token;
  }
  return absl::OkStatus();
}

absl::StatusOr<Ticket> CpuRunner::Launch(const StepPlan& plan) {
  const TimePoint start = Clock::now();
  StepResult result;
  result.id = plan.id;
  if (!plan.encode.empty()) {
    if (absl::Status status = Encode(plan); !status.ok()) return status;
    result.encode_time = Clock::now() - start;
  }
  if (absl::Status status = Decode(plan, &result.rows); !status.ok()) return status;
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
