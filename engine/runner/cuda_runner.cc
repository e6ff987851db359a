#include "engine/runner/cuda_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/runner/device_choice.h"
#include "engine/runner/event_time.h"
#include "engine/types/progress.h"
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

// The numbers of rows that graphs are made for: close together where a step costs the same for all.
std::vector<size_t> GraphRows(size_t max_rows) {
  std::vector<size_t> sizes;
  for (size_t rows = 1; rows < max_rows; rows += rows < 2 ? 1 : rows < 8 ? 2 : rows < 64 ? 8 : 32) {
    sizes.push_back(rows);
  }
  sizes.push_back(max_rows);
  return sizes;
}

// Of a prefix in WarmUp: a longer one would take time and need no other kernels.
constexpr int32_t kLongestWarmPrefix = 256;

// Of so many tokens, those that a model with so many positions (0 = unlimited) takes.
int32_t Within(int32_t positions, int32_t tokens) {
  return positions > 0 ? std::min(positions, tokens) : tokens;
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

absl::Status CudaRunner::RecordGraphs() {
  const TimePoint start = Clock::now();
  // The most rows first: what is measured for them serves the others of their size.
  std::vector<size_t> sizes = GraphRows(model_.options().max_rows);
  std::reverse(sizes.begin(), sizes.end());
  const size_t all = 2 * sizes.size();
  Progress progress(start);
  for (const bool beams : {false, true}) {
    for (const size_t rows : sizes) {
      RecordGraph(rows, beams);
      if (!device_.ok()) return status();
      if (!progress.IsDue(Clock::now())) continue;
      spdlog::info("recorded {} of {} decoder graphs", graphs_[0].size() + graphs_[1].size(), all);
    }
  }
  spdlog::info("recorded {} decoder graphs of up to {} rows in {:.1f} s", all,
               model_.options().max_rows, Milliseconds(Clock::now() - start) / 1000);
  return absl::OkStatus();
}

void CudaRunner::RecordGraph(size_t rows, bool beams) {
  const StepPlan nothing;
  device_inputs_.BeginStep();
  inputs_.BuildDecoder(nothing, {}, {}, PaddingFor(rows));
  const DeviceDecoderInputs inputs =
      device_inputs_.SendToGraph(inputs_.decoder(), SendRows(nothing, {}), strides_);
  RunDecoder(inputs, beams);  // once as it is: what libraries load on first use can't be recorded
  device_.Check(cudaStreamSynchronize(device_.stream()), "the first decoder step");
  kernels::cuda::Graph graph(&device_, [&] { RunDecoder(inputs, beams); });
  graph.Replay();
  device_.Check(cudaStreamSynchronize(device_.stream()), "the first replay of a decoder step");
  if (rows == 1 && !beams && executor_.IsPersistent(model_.decoder(), inputs.inputs)) {
    TakeFasterOfOneRow(inputs, &graph);
  }
  graphs_[beams].emplace(rows, std::move(graph));
}

void CudaRunner::TakeFasterOfOneRow(const DeviceDecoderInputs& inputs,
                                    kernels::cuda::Graph* graph) {
  constexpr int32_t kSource = 256, kPosition = 64;  // of a row as there are many
  constexpr int kRounds = 3, kReplays = 10;
  executor_.set_persistent(false);
  RunDecoder(inputs, /*beams=*/false);
  kernels::cuda::Graph one_by_one(&device_, [&] { RunDecoder(inputs, /*beams=*/false); });

  const DecodeParams params;
  const std::vector<TokenId> history(std::min(kPosition, limits_.max_target_tokens));
  const std::vector<BlockId> blocks(BlocksFor(kSource, model_.options().block_size),
                                    model_.spare_block());
  const auto blocks_for = [&](int32_t positions) {
    return absl::MakeConstSpan(blocks).first(BlocksFor(positions, model_.options().block_size));
  };
  const int32_t source = std::min(kSource, limits_.max_source_tokens);
  Require(history.size() > 1, "a row of one position would start at its slot");
  StepPlan plan;
  plan.sources.push_back({blocks_for(source), source});
  RowPlan& row = plan.rows.emplace_back();
  row.slot = model_.options().max_rows;
  row.history = history;
  row.tokens = row.history.last(1);
  row.first_position = static_cast<int32_t>(history.size()) - 1;
  row.blocks = blocks_for(static_cast<int32_t>(history.size()));
  row.params = &params;
  device_inputs_.BeginStep();
  inputs_.BuildDecoder(plan, {0, 1}, {}, PaddingFor(1));
  device_inputs_.SendToGraph(inputs_.decoder(), SendRows(plan, {0, 1}), strides_);

  float persistent_ms = INFINITY, one_by_one_ms = INFINITY;
  for (int i = 0; i < kRounds; ++i) {
    persistent_ms = std::min(persistent_ms, graph->Time(kReplays));
    one_by_one_ms = std::min(one_by_one_ms, one_by_one.Time(kReplays));
  }
  const bool persistent = persistent_ms <= one_by_one_ms;
  if (!persistent) *graph = std::move(one_by_one);
  executor_.set_persistent(persistent);
  spdlog::info("one decoder row: {:.3f} ms as one kernel, {:.3f} ms operation by operation",
               persistent_ms, one_by_one_ms);
}

// 1, 2, 4, ... source tokens, and prefixes, all written to the spare block.
absl::Status CudaRunner::WarmUp() {
  const TimePoint start = Clock::now();
  const int32_t most = model_.options().max_encoder_tokens;
  const int32_t block_size = model_.options().block_size;
  const std::vector<TokenId> tokens(most);
  const std::vector<BlockId> blocks(BlocksFor(most, block_size), model_.spare_block());
  const int32_t longest_source =
      Within(model_.spec().max_source_positions, limits_.max_source_tokens);
  const int32_t longest_prefix = Within(model_.spec().max_target_positions,
                                        std::min(limits_.max_target_tokens, kLongestWarmPrefix));
  const DecodeParams params;
  for (int32_t length = 1; device_.ok(); length = std::min(2 * length, most)) {
    StepPlan plan;
    for (int32_t left = length; left > 0; left -= longest_source) {
      const int32_t part = std::min(left, longest_source);
      const auto spare = absl::MakeConstSpan(blocks).first(BlocksFor(part, block_size));
      plan.encode.push_back({absl::MakeConstSpan(tokens).first(part), spare, Pooling::kMean});
      plan.sources.push_back({spare, part});
    }
    const int32_t prefix = std::min(length, longest_prefix);
    RowPlan& row = plan.rows.emplace_back();
    row.tokens = row.targets = row.history = absl::MakeConstSpan(tokens).first(prefix);
    row.blocks = absl::MakeConstSpan(blocks).first(BlocksFor(prefix, block_size));
    row.params = &params;
    // One after the other: each is measured alone.
    InFlight& step = steps_[0];
    device_.Check(cudaEventRecord(step.begin, device_.stream()), "recording an event");
    absl::Status outcome = encoder_.Launch(plan, step.begin, /*alone=*/true);
    encoder_.Abandon();
    device_inputs_.BeginStep();
    scores_.BeginStep(0);
    results_.BeginStep(0);
    if (outcome.ok()) outcome = Decode(plan);
    device_.Check(cudaStreamSynchronize(device_.stream()), "the first step of its kind");
    if (!outcome.ok()) return outcome;
    if (length == most) break;
  }
  spdlog::info("ran the first steps in {:.1f} s", Milliseconds(Clock::now() - start) / 1000);
  return status();
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
