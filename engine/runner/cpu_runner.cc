#include "engine/runner/cpu_runner.h"

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

absl::Status CpuRunner::CheckLimits() const {
  const ModelOptions& limits = model_.options();
  const kernels::EncoderInputs encoder = inputs_.encoder();
  const kernels::DecoderInputs decoder = inputs_.decoder();
  if (encoder.num_tokens > limits.max_encoder_tokens ||
      decoder.num_tokens > limits.max_decoder_tokens || decoder.num_rows > limits.max_rows) {
    return absl::InternalError(absl::StrCat(
        "a step of ", encoder.num_tokens, " encoder tokens, ", decoder.num_tokens,
        " decoder tokens and ", decoder.num_rows, " rows exceeds the model's ",
        limits.max_encoder_tokens, ", ", limits.max_decoder_tokens, " and ", limits.max_rows));
  }
  return absl::OkStatus();
}

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

absl::StatusOr<Ticket> CpuRunner::Launch(const StepPlan& plan) {
  const TimePoint start = Clock::now();
  inputs_.Build(plan, last_tokens_);
  if (absl::Status status = CheckLimits(); !status.ok()) return status;
  StepResult result;
  result.id = plan.id;
  if (!plan.encode.empty()) {
    executor_.Run(model_.encoder(), inputs_.encoder());
    result.encode_time = Clock::now() - start;
  }
  if (!plan.rows.empty()) {
    executor_.Run(model_.decoder(), inputs_.decoder());
    result.rows.resize(plan.rows.size());
    pool_.ParallelFor(static_cast<int64_t>(plan.rows.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) result.rows[i] = ChooseRow(plan.rows[i], i);
    });
    for (size_t i = 0; i < plan.rows.size(); ++i) {
      last_tokens_[plan.rows[i].slot] = result.rows[i].token;
    }
  }
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
