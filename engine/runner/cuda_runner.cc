#include "engine/runner/cuda_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/decode/sampler.h"
#include "engine/runner/device_choice.h"
#include "engine/types/require.h"

namespace transept {
namespace {

using kernels::cuda::Choice;
using kernels::cuda::kMaxBans;

// Bytes that a run's arrays take, with room for their alignment.
size_t InputBytes(const ModelOptions& model, const CudaRunnerLimits& limits) {
  const int64_t rows = model.max_rows;
  const int64_t tokens = std::max(model.max_encoder_tokens, model.max_decoder_tokens);
  const int64_t tables = BlocksFor(limits.max_target_tokens, model.block_size) +
                         BlocksFor(limits.max_source_tokens, model.block_size);
  constexpr int64_t kArrays = 16;
  constexpr int64_t kSlack = 64;  // offsets have one element more, and every array is aligned
  return tokens * (3 * sizeof(int32_t) + sizeof(int64_t)) +
         rows * (4 + kMaxBans + tables) * sizeof(int32_t) + kArrays * kSlack;
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

// Of a prefix in WarmUp: longer ones take time and other kernels no more.
constexpr int32_t kLongestWarmPrefix = 256;

// Whether the arrays lie where a graph for `padding` looks for them.
bool HasShape(const kernels::DecoderInputs& inputs, const DecoderPadding& padding) {
  return inputs.num_rows == static_cast<int32_t>(padding.rows) &&
         inputs.num_tokens == inputs.num_rows && inputs.num_sources == inputs.num_rows &&
         inputs.block_table_stride == padding.block_table_stride &&
         inputs.cross_block_table_stride == padding.cross_block_table_stride;
}

Duration TimeBetween(cudaEvent_t begin, cudaEvent_t end) {
  float milliseconds = 0.0f;
  if (cudaEventElapsedTime(&milliseconds, begin, end) != cudaSuccess) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<float, std::milli>(milliseconds));
}

}  // namespace

CudaRunner::CudaRunner(kernels::cuda::Device* device, const Model* model,
                       const CudaRunnerLimits& limits)
    : device_(*device),
      model_(*model),
      limits_(limits),
      executor_(device),
      inputs_(model->options().block_size),
      device_inputs_(device, InputBytes(model->options(), limits), /*runs=*/4),
      host_tokens_(model->options().max_rows) {
  const size_t rows = model->options().max_rows;
  device_.Check(cudaMalloc(&choices_, rows * sizeof(Choice)), "allocating choices");
  device_.Check(cudaMalloc(&last_tokens_, (rows + 1) * sizeof(int32_t)), "allocating tokens");
  device_.Check(cudaMallocHost(&slot_tokens_, rows * sizeof(int32_t)), "allocating tokens");
  device_.Check(cudaMallocHost(&logits_, rows * model_.logits().width * sizeof(float)),
                "allocating logits");
  for (InFlight& step : steps_) {
    device_.Check(cudaMallocHost(&step.choices, rows * sizeof(Choice)), "allocating choices");
    for (cudaEvent_t* event : {&step.begin, &step.encoded, &step.end}) {
      device_.Check(cudaEventCreate(event), "creating an event");
    }
  }
}

CudaRunner::~CudaRunner() {
  cudaStreamSynchronize(device_.stream());
  graphs_.clear();
  for (InFlight& step : steps_) {
    for (cudaEvent_t event : {step.begin, step.encoded, step.end}) cudaEventDestroy(event);
    cudaFreeHost(step.choices);
  }
  cudaFreeHost(logits_);
  cudaFreeHost(slot_tokens_);
  cudaFree(last_tokens_);
  cudaFree(choices_);
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
  runner->executor_.Prepare(model->encoder());
  runner->executor_.Prepare(model->decoder());
  absl::Status status = runner->RecordGraphs();
  if (status.ok()) status = runner->WarmUp();
  if (!status.ok()) return status;
  return runner;
}

DecoderPadding CudaRunner::PaddingFor(size_t rows) const {
  const ModelOptions& options = model_.options();
  return {.rows = rows,
          .block_table_stride = BlocksFor(limits_.max_target_tokens, options.block_size),
          .cross_block_table_stride = BlocksFor(limits_.max_source_tokens, options.block_size),
          .slot = int64_t{model_.spare_block()} * options.block_size,
          .row_slot = options.max_rows};
}

absl::Status CudaRunner::RecordGraphs() {
  const TimePoint start = Clock::now();
  const StepPlan nothing;
  for (const size_t rows : GraphRows(model_.options().max_rows)) {
    device_inputs_.BeginStep();
    inputs_.BuildDecoder(nothing, {}, {}, PaddingFor(rows));
    const DeviceDecoderInputs inputs =
        device_inputs_.Send(inputs_.decoder(), inputs_.row_slots(), BansOf(nothing, {}));
    RunDecoder(inputs);  // once as it is: what libraries load on first use can't be recorded
    device_.Check(cudaStreamSynchronize(device_.stream()), "the first decoder step");
    graphs_.emplace(rows, kernels::cuda::Graph(&device_, [&] { RunDecoder(inputs); }));
    graphs_.at(rows).Replay();
    device_.Check(cudaStreamSynchronize(device_.stream()), "the first replay of a decoder step");
    if (!device_.ok()) return status();
  }
  spdlog::info("recorded {} decoder graphs of up to {} rows in {:.1f} s", graphs_.size(),
               model_.options().max_rows, Milliseconds(Clock::now() - start) / 1000);
  return absl::OkStatus();
}

// 1, 2, 4, ... source tokens, and prefixes, all written to the spare block.
absl::Status CudaRunner::WarmUp() {
  const TimePoint start = Clock::now();
  const int32_t most = model_.options().max_encoder_tokens;
  const int32_t block_size = model_.options().block_size;
  const std::vector<TokenId> tokens(most);
  const std::vector<BlockId> blocks(BlocksFor(most, block_size), model_.spare_block());
  const DecodeParams params;
  for (int32_t length = 1; device_.ok(); length = std::min(2 * length, most)) {
    StepPlan plan;
    for (int32_t left = length; left > 0; left -= limits_.max_source_tokens) {
      const int32_t part = std::min(left, limits_.max_source_tokens);
      const auto spare = absl::MakeConstSpan(blocks).first(BlocksFor(part, block_size));
      plan.encode.push_back({absl::MakeConstSpan(tokens).first(part), spare});
      plan.sources.push_back({spare, part});
    }
    const int32_t prefix = std::min({length, limits_.max_target_tokens, kLongestWarmPrefix});
    RowPlan& row = plan.rows.emplace_back();
    row.tokens = row.history = absl::MakeConstSpan(tokens).first(prefix);
    row.blocks = absl::MakeConstSpan(blocks).first(BlocksFor(prefix, block_size));
    row.params = &params;
    device_inputs_.BeginStep();
    Encode(plan);
    if (absl::Status status = Decode(plan, &steps_[0]); !status.ok()) return status;
    device_.Check(cudaStreamSynchronize(device_.stream()), "the first step of its kind");
    if (length == most) break;
  }
  spdlog::info("ran the first steps in {:.1f} s", Milliseconds(Clock::now() - start) / 1000);
  return status();
}

void CudaRunner::RunDecoder(const DeviceDecoderInputs& inputs) {
  kernels::cuda::ResolveTokens(inputs.token_ids, inputs.inputs.num_tokens, last_tokens_, device_);
  executor_.Run(model_.decoder(), inputs.inputs);
  kernels::cuda::ChooseGreedy({.logits = model_.logits(),
                               .rows = inputs.inputs.num_rows,
                               .bans = inputs.bans,
                               .slots = inputs.row_slots,
                               .choices = choices_,
                               .last_tokens = last_tokens_},
                              device_);
}

absl::Span<const int32_t> CudaRunner::BansOf(const StepPlan& plan, RowRange range) {
  bans_.clear();
  for (size_t i = range.begin; i < range.end; ++i) {
    const RowPlan& row = plan.rows[i];
    if (ChoosesOnDevice(*row.params, kMaxBans)) {
      AppendBans(row, kMaxBans, &bans_);
    } else {
      bans_.resize(bans_.size() + kMaxBans, -1);
    }
  }
  bans_.resize(inputs_.row_slots().size() * kMaxBans, -1);
  return bans_;
}

void CudaRunner::Encode(const StepPlan& plan) {
  inputs_.BuildEncoder(plan);
  executor_.Run(model_.encoder(), device_inputs_.Send(inputs_.encoder()));
}

void CudaRunner::NoteHostRows(const StepPlan& plan, RowRange range, InFlight* step) {
  for (size_t i = range.begin; i < range.end; ++i) {
    const RowPlan& row = plan.rows[i];
    if (ChoosesOnDevice(*row.params, kMaxBans)) continue;
    step->host_rows.push_back({.index = i,
                               .params = *row.params,
                               .history = {row.history.begin(), row.history.end()},
                               .prompt_length = row.prompt_length,
                               .hypothesis = row.hypothesis,
                               .slot = row.slot});
    if (row.tokens.empty()) {
      step->host_rows.back().history.push_back(host_tokens_[row.slot]);
    }
    const kernels::Activations& logits = model_.logits();
    device_.Check(
        cudaMemcpyAsync(logits_ + i * logits.width,
                        static_cast<const float*>(logits.data) + (i - range.begin) * logits.stride,
                        logits.width * sizeof(float), cudaMemcpyDeviceToHost, device_.stream()),
        "reading logits");
  }
}

absl::Status CudaRunner::Decode(const StepPlan& plan, InFlight* step) {
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
    const bool one_token_each =
        std::all_of(plan.rows.begin() + range.begin, plan.rows.begin() + range.end,
                    [](const RowPlan& row) { return row.tokens.size() <= 1; });
    const auto graph = graphs_.lower_bound(range.end - range.begin);
    if (one_token_each && graph != graphs_.end()) {
      inputs_.BuildDecoder(plan, range, {}, PaddingFor(graph->first));
      Require(HasShape(inputs_.decoder(), PaddingFor(graph->first)),
              "a step is larger than the graphs were made for");
      device_inputs_.Send(inputs_.decoder(), inputs_.row_slots(), BansOf(plan, range));
      graph->second.Replay();
    } else {
      inputs_.BuildDecoder(plan, range, {});
      RunDecoder(device_inputs_.Send(inputs_.decoder(), inputs_.row_slots(), BansOf(plan, range)));
    }
    device_.Check(cudaMemcpyAsync(step->choices + range.begin, choices_,
                                  (range.end - range.begin) * sizeof(Choice),
                                  cudaMemcpyDeviceToHost, device_.stream()),
                  "reading choices");
    NoteHostRows(plan, range, step);
  }
  return absl::OkStatus();
}

absl::StatusOr<Ticket> CudaRunner::Launch(const StepPlan& plan) {
  InFlight& previous = steps_[(launched_ + 1) % 2];
  if (!previous.host_rows_done) ChooseOnHost(&previous);
  InFlight& step = steps_[launched_ % 2];
  step.id = plan.id;
  step.num_rows = plan.rows.size();
  step.encodes = !plan.encode.empty();
  step.host_rows.clear();
  step.host_choices.clear();
  device_inputs_.BeginStep();
  device_.Check(cudaEventRecord(step.begin, device_.stream()), "recording an event");
  if (step.encodes) Encode(plan);
  device_.Check(cudaEventRecord(step.encoded, device_.stream()), "recording an event");
  if (const absl::Status decoded = Decode(plan, &step); !decoded.ok()) {
    collected_ = launched_;  // the step before it is void too
    device_.Check(cudaStreamSynchronize(device_.stream()), "ending a failed step");
    return decoded;
  }
  device_.Check(cudaEventRecord(step.end, device_.stream()), "recording an event");
  step.host_rows_done = step.host_rows.empty();
  if (!device_.ok()) return status();
  ++launched_;
  return Ticket{plan.id};
}

void CudaRunner::ChooseOnHost(InFlight* step) {
  step->host_rows_done = true;
  if (!device_.Check(cudaEventSynchronize(step->end), "a decoder step")) return;
  const int64_t vocab = model_.logits().width;
  for (const HostRow& row : step->host_rows) {
    const DecodeContext context{
        .history = row.history, .prompt_length = row.prompt_length, .hypothesis = row.hypothesis};
    step->host_choices.push_back(
        ChooseToken(row.params, context, absl::MakeSpan(logits_ + row.index * vocab, vocab)));
    host_tokens_[row.slot] = step->host_choices.back().token;
    slot_tokens_[row.slot] = host_tokens_[row.slot];
    device_.Check(cudaMemcpyAsync(last_tokens_ + row.slot, slot_tokens_ + row.slot, sizeof(int32_t),
                                  cudaMemcpyHostToDevice, device_.stream()),
                  "sending a token");
  }
}

absl::StatusOr<StepResult> CudaRunner::Collect(Ticket ticket) {
  InFlight& step = steps_[collected_ % 2];
  if (collected_ == launched_ || step.id != ticket.step) {
    return absl::InternalError(absl::StrCat("step ", ticket.step, " is not the next to collect"));
  }
  ++collected_;
  device_.Check(cudaEventSynchronize(step.end), "a decoder step");
  if (!step.host_rows_done) ChooseOnHost(&step);
  if (!device_.ok()) return status();

  StepResult result;
  result.id = step.id;
  for (size_t i = 0; i < step.num_rows; ++i) {
    result.rows.push_back(
        {.token = step.choices[i].token, .logprob = step.choices[i].logprob, .top = {}});
  }
  for (size_t i = 0; i < step.host_rows.size(); ++i) {
    result.rows[step.host_rows[i].index] = std::move(step.host_choices[i]);
  }
  if (step.encodes) result.encode_time = TimeBetween(step.begin, step.encoded);
  result.step_time = TimeBetween(step.begin, step.end);
  return result;
}

}  // namespace transept
