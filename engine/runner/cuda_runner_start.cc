// What a CudaRunner does before its first step: it records graphs, and runs what is none once.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_join.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/runner/cuda_runner.h"
#include "engine/types/progress.h"

namespace transept {
namespace {

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

// What graphs are timed with: rows as there are many.
constexpr int32_t kTypicalSource = 256;
constexpr int32_t kTypicalPosition = 64;
// Less is within what timing is good for.
constexpr float kWorthwhile = 0.99f;

}  // namespace

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
  if (!prefetching_rows_.empty()) {
    spdlog::info("steps of {} rows are faster with weights fetched ahead, which theirs do",
                 absl::StrJoin(prefetching_rows_, ", "));
  }
  return absl::OkStatus();
}

void CudaRunner::RecordGraph(size_t rows, bool beams) {
  const StepPlan nothing;
  device_inputs_.BeginStep();
  inputs_.BuildDecoder(nothing, {}, {}, PaddingFor(rows));
  const DeviceDecoderInputs inputs =
      device_inputs_.SendToGraph(inputs_.decoder(), SendRows(nothing, {}), strides_);
  // What the rows choose by makes no difference: steps with beams go by those without.
  executor_.set_prefetching(beams && prefetching_rows_.count(rows) > 0);
  RunDecoder(inputs, beams);  // once as it is: what libraries load on first use can't be recorded
  device_.Check(cudaStreamSynchronize(device_.stream()), "the first decoder step");
  kernels::cuda::Graph graph(&device_, [&] { RunDecoder(inputs, beams); });
  graph.Replay();
  device_.Check(cudaStreamSynchronize(device_.stream()), "the first replay of a decoder step");
  executor_.set_prefetching(false);
  if (!beams) TakeFaster(rows, inputs, &graph);
  graphs_[beams].emplace(rows, std::move(graph));
}

void CudaRunner::TakeFaster(size_t rows, const DeviceDecoderInputs& inputs,
                            kernels::cuda::Graph* graph) {
  const auto record = [&] {
    return kernels::cuda::Graph(&device_, [&] { RunDecoder(inputs, /*beams=*/false); });
  };
  if (rows == 1 && executor_.IsPersistent(model_.decoder(), inputs.inputs)) {
    executor_.set_persistent(false);
    RunDecoder(inputs, /*beams=*/false);
    kernels::cuda::Graph one_by_one = record();
    const StepTimes times = TimeTypicalSteps(rows, graph, &one_by_one);
    const bool persistent = times.first_ms <= times.second_ms;
    if (!persistent) *graph = std::move(one_by_one);
    executor_.set_persistent(persistent);
    spdlog::info("one decoder row: {:.3f} ms as one kernel, {:.3f} ms operation by operation",
                 times.first_ms, times.second_ms);
  } else if (executor_.CanPrefetch(model_.decoder(), static_cast<int64_t>(rows))) {
    executor_.set_prefetching(true);
    kernels::cuda::Graph prefetching = record();
    executor_.set_prefetching(false);
    const StepTimes times = TimeTypicalSteps(rows, graph, &prefetching);
    if (times.second_ms >= kWorthwhile * times.first_ms) return;
    prefetching_rows_.insert(rows);
    *graph = std::move(prefetching);
  }
}

void CudaRunner::SendTypicalStep(size_t rows) {
  const int32_t positions = Within(model_.spec().max_target_positions,
                                   std::min(kTypicalPosition, limits_.max_target_tokens));
  const int32_t source = std::min(kTypicalSource, limits_.max_source_tokens);
  const auto per_target = BlocksFor(positions, model_.options().block_size);
  const auto per_source = BlocksFor(source, model_.options().block_size);
  // As far as there are blocks each row has its own, as nobody has any yet.
  std::vector<BlockId> blocks(rows * (per_target + per_source));
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = static_cast<BlockId>(i % model_.options().num_blocks);
  }
  absl::Span<const BlockId> left = blocks;
  const auto take = [&left](size_t count) {
    const absl::Span<const BlockId> taken = left.first(count);
    left.remove_prefix(count);
    return taken;
  };
  const DecodeParams params;
  const std::vector<TokenId> history(positions);
  StepPlan plan;
  for (size_t i = 0; i < rows; ++i) {
    plan.sources.push_back({take(per_source), source});
    RowPlan& row = plan.rows.emplace_back();
    row.source = static_cast<int32_t>(i);
    row.slot = model_.options().max_rows;
    row.history = history;
    row.tokens = row.history.last(1);
    row.first_position = positions - 1;
    row.inherited = -1;  // nothing of it is sent to its slot, which filling rows share
    row.blocks = take(per_target);
    row.params = &params;
  }
  device_inputs_.BeginStep();
  results_.BeginStep(0);
  inputs_.BuildDecoder(plan, {0, rows}, {}, PaddingFor(rows));
  device_inputs_.SendToGraph(inputs_.decoder(), SendRows(plan, {0, rows}), strides_);
}

CudaRunner::StepTimes CudaRunner::TimeTypicalSteps(size_t rows, kernels::cuda::Graph* first,
                                                   kernels::cuda::Graph* second) {
  constexpr int kRounds = 3, kReplays = 10;
  SendTypicalStep(rows);
  StepTimes times;
  for (int i = 0; i < kRounds; ++i) {
    times.first_ms = std::min(times.first_ms, first->Time(kReplays));
    times.second_ms = std::min(times.second_ms, second->Time(kReplays));
  }
  return times;
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

}  // namespace transept
