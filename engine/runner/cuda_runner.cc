#include "engine/runner/cuda_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/runner/device_choice.h"
#include "engine/runner/event_time.h"
#include "engine/types/require.h"

namespace transept {
namespace {

using kernels::cuda::RowChoice;

// Bytes that a run's arrays take, with room for their alignment.
size_t InputBytes(const ModelOptions& model, const CudaRunnerLimits& limits) {
  const int64_t rows = model.max_rows;
  const int64_t tokens = model.max_decoder_tokens;
  const int64_t tables = BlocksFor(limits.max_target_tokens, model.block_size) +
                         BlocksFor(limits.max_source_tokens, model.block_size);
  constexpr int64_t kArrays = 16;
  constexpr int64_t kSlack = 64;  // offsets have one element more, and every array is aligned
  return tokens * (4 * sizeof(int32_t) + sizeof(int64_t)) +
         rows * ((5 + tables) * sizeof(int32_t) + sizeof(RowChoice)) + kArrays * kSlack;
}

// Whether the arrays lie where a graph for so many rows looks for them.
bool HasShape(const kernels::DecoderInputs& inputs, size_t rows) {
  return inputs.num_rows == static_cast<int32_t>(rows) && inputs.num_tokens == inputs.num_rows &&
         inputs.num_sources == inputs.num_rows;
}

}  // namespace

CudaRunner::CudaRunner(kernels::cuda::Device* device, const Model* model,
                       const CudaRunnerLimits& limits)
    : device_(*device),
      model_(*model),
      limits_(limits),
      strides_{
          .block_table = BlocksFor(limits.max_target_tokens, model->options().block_size),
          .cross_block_table = BlocksFor(limits.max_source_tokens, model->options().block_size)},
      executor_(device),
      inputs_(model->options().block_size, PaddingWithoutPosition(model->spec())),
      device_inputs_(device, InputBytes(model->options(), limits), /*runs=*/4),
      encoder_(device, model),
      scores_(device, model, &executor_, &device_inputs_),
      token_sets_(device, model->options().max_rows, model->logits().width),
      row_rules_(device, model->options().max_rows, limits.max_source_tokens),
      // A row's last token is appended too, though nothing will be fed it.
      device_rows_(device, model->options().max_rows, std::max(limits.max_target_tokens, 1) + 1),
      results_(device, model->options().max_rows) {
  for (InFlight& step : steps_) {
    for (cudaEvent_t* event : {&step.begin, &step.end}) {
      device_.Check(cudaEventCreate(event), "creating an event");
    }
  }
}

CudaRunner::~CudaRunner() {
  encoder_.Abandon();  // what is being launched waits for events
  cudaStreamSynchronize(device_.stream());
  for (auto& graphs : graphs_) graphs.clear();
  for (InFlight& step : steps_) {
    for (cudaEvent_t event : {step.begin, step.end}) cudaEventDestroy(event);
  }
}

absl::Status CudaRunner::status() const {
  if (device_.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the GPU failed: ", device_.error()));
}

absl::StatusOr<std::unique_ptr<CudaRunner>> CudaRunner::Create(kernels::cuda::Device* device,
                                                               const Model* model,
                                                               const CudaRunnerLimits& limits) {
  std::unique_ptr<CudaRunner> runner(new CudaRunner(device, model, limits));
  if (!device->ok()) return runner->status();
  runner->executor_.Prepare(model->decoder());
  runner->executor_.Prepare(model->head());
  runner->executor_.set_measuring(true);
  runner->encoder_.set_measuring(true);
  absl::Status status = runner->RecordGraphs();
  if (status.ok()) status = runner->WarmUp();
  runner->executor_.set_measuring(false);
  runner->encoder_.set_measuring(false);
  if (!status.ok()) return status;
  return runner;
}

DecoderPadding CudaRunner::PaddingFor(size_t rows) const {
  return {.rows = rows, .slot = int64_t{model_.spare_block()} * model_.options().block_size};
}

void CudaRunner::RunDecoder(DeviceDecoderInputs inputs, bool beams) {
  kernels::cuda::RowSlots slots = device_rows_.slots();
  slots.token_sets = token_sets_.masks();
  slots.set_words = token_sets_.words();
  row_rules_.AddTo(&slots);
  kernels::cuda::FeedTokens({.token_ids = inputs.token_ids,
                             .positions = inputs.inputs.positions,
                             .query_offsets = inputs.inputs.query_offsets,
                             .rows = inputs.rows,
                             .num_rows = inputs.inputs.num_rows,
                             .slots = slots},
                            device_);
  if (beams) {
    inputs.inputs.ancestry = slots.ancestry;
    inputs.inputs.ancestry_stride = slots.history_stride;
  }
  kernels::cuda::TokenChoice choice{.logits = model_.logits(),
                                    .rows = inputs.rows,
                                    .num_rows = inputs.inputs.num_rows,
                                    .slots = slots};
  results_.AddTo(&choice);
  if (!beams) choice.continuations = nullptr;
  // In steps with beam search all logits are wanted: nothing could be summed up in their stead.
  executor_.Run(model_.decoder(), inputs.inputs, beams ? nullptr : &choice);
  kernels::cuda::ChooseTokens(choice, device_);
}

absl::Span<const RowChoice> CudaRunner::SendRows(const StepPlan& plan, RowRange range) {
  rows_.clear();
  for (size_t i = range.begin; i < range.end; ++i) {
    const RowPlan& row = plan.rows[i];
    const SourceView& source = plan.sources[row.source];
    RowChoice& choice = rows_.emplace_back(ChoiceOf(row, source));
    Require(choice.length < device_rows_.slots().history_stride,
            "a row is longer than was planned for");
    if (!row.starts()) continue;
    device_rows_.Send(row.slot, row.history.first(row.inherited));
    token_sets_.Add(row.slot, *row.params, source.tokens);
    row_rules_.Send(row.slot, *row.params, source.tokens);
  }
  token_sets_.Send();
  const int32_t spare = model_.options().max_rows;
  rows_.resize(inputs_.decoder().num_rows, {.slot = spare});
  results_.Place(range.end - range.begin, absl::MakeSpan(rows_));
  return rows_;
}

void CudaRunner::Begin(InFlight* step) {
  if (launched_ > collected_) {
    step->started = StepAt(launched_ - 1).end;
    const bool runs = cudaEventQuery(step->started) == cudaErrorNotReady;
    cudaGetLastError();  // "not ready" is none
    if (runs) return;
  }
  step->started = step->begin;
  device_.Check(cudaEventRecord(step->begin, device_.stream()), "recording an event");
}

absl::Status CudaRunner::Decode(const StepPlan& plan) {
  const RunLimits limits{.rows = static_cast<size_t>(model_.options().max_rows),
                         .tokens = static_cast<size_t>(model_.options().max_decoder_tokens)};
  // As late as can be: what the host does until then is done while the encoder is launched.
  bool held_back = !plan.awaits_encoder;
  const auto hold_back = [&] {
    if (!std::exchange(held_back, true)) encoder_.HoldBack(device_.stream());
  };
  RowRange range;
  while (range.end < plan.rows.size()) {
    range = NextRange(plan, range.end, limits);
    if (range.begin == range.end) {
      return absl::InternalError(absl::StrCat("a row is fed ", plan.rows[range.begin].tokens.size(),
                                              " tokens; the buffers hold ",
                                              model_.options().max_decoder_tokens));
    }
    const auto rows = absl::MakeConstSpan(plan.rows).subspan(range.begin, range.end - range.begin);
    const bool one_token_each = std::all_of(rows.begin(), rows.end(), [](const RowPlan& row) {
      return row.tokens.size() <= 1 && row.targets.empty();
    });
    const bool beams = std::any_of(rows.begin(), rows.end(),
                                   [](const RowPlan& row) { return row.params->beam_search(); });
    const auto graph = graphs_[beams].lower_bound(rows.size());
    const bool replays = one_token_each && graph != graphs_[beams].end();
    inputs_.BuildDecoder(plan, range, {}, replays ? PaddingFor(graph->first) : DecoderPadding{});
    const absl::Span<const RowChoice> choices = SendRows(plan, range);
    hold_back();
    if (replays) {
      Require(HasShape(inputs_.decoder(), graph->first),
              "a step is larger than the graphs were made for");
      device_inputs_.SendToGraph(inputs_.decoder(), choices, strides_);
      graph->second.Replay();
    } else {
      RunDecoder(device_inputs_.Send(inputs_.decoder(), choices), beams);
    }
    scores_.Score(plan, range);
  }
  hold_back();
  return absl::OkStatus();
}

absl::Status CudaRunner::Lost() {
  encoder_.Abandon();
  return status();
}

absl::StatusOr<Ticket> CudaRunner::Launch(const StepPlan& plan) {
  InFlight& step = StepAt(launched_);
  step.id = plan.id;
  device_inputs_.BeginStep();
  scores_.BeginStep(launched_);
  results_.BeginStep(launched_);
  token_sets_.BeginStep();
  row_rules_.BeginStep();
  device_rows_.BeginStep();
  Begin(&step);
  // Rows first: theirs is one launch, the encoder's are hundreds. Rows of the steps in front may
  // still use the blocks that it is given.
  absl::Status outcome = Decode(plan);
  device_.Check(cudaEventRecord(step.end, device_.stream()), "recording an event");
  if (outcome.ok() && !plan.encode.empty()) {
    const bool alone = plan.rows.empty() && launched_ == collected_;
    outcome = encoder_.Launch(plan, step.started, alone);
  }
  if (!outcome.ok()) {
    collected_ = launched_;  // the step before it is void too
    encoder_.Abandon();
    device_.Check(cudaStreamSynchronize(device_.stream()), "ending a failed step");
    return outcome;
  }
  if (!device_.ok()) return Lost();
  ++launched_;
  return Ticket{plan.id};
}

absl::StatusOr<StepResult> CudaRunner::Collect(Ticket ticket) {
  InFlight& step = StepAt(collected_);
  if (collected_ == launched_ || step.id != ticket.step) {
    return absl::InternalError(absl::StrCat("step ", ticket.step, " is not the next to collect"));
  }
  const uint64_t index = collected_++;
  device_.Check(cudaEventSynchronize(step.end), "a decoder step");
  if (!device_.ok()) return Lost();

  StepResult result;
  result.id = step.id;
  results_.Report(index, &result);
  scores_.Take(index, &result);
  encoder_.Take(&result);
  if (!device_.ok()) return Lost();  // what was taken is void
  result.step_time = TimeBetween(step.started, step.end);
  return result;
}

}  // namespace transept
