#include "engine/runner/device_results.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/runner/token_results.h"
#include "engine/types/require.h"
#include "kernels/cuda/pool.h"
#include "kernels/cuda/select.h"

namespace transept {
namespace {

size_t Sum(const std::vector<size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), size_t{0});
}

}  // namespace

DeviceStates::DeviceStates(kernels::cuda::Device* device, const Model* model, DeviceInputs* inputs)
    : device_(*device), model_(*model), inputs_(*inputs) {
  const size_t most = model_.options().max_encoder_tokens * model_.encoder_output().width;
  for (Fetched& run : runs_) {
    device_.Check(cudaMallocHost(&run.states, most * sizeof(float)), "allocating encoder states");
  }
}

DeviceStates::~DeviceStates() {
  for (Fetched& run : runs_) cudaFreeHost(run.states);
}

void DeviceStates::BeginRun(uint64_t run) {
  current_ = &runs_[run % 2];
  current_->counts.clear();
}

void DeviceStates::Pool(StateRows rows) {
  if (rows.ranges.empty()) return;
  const kernels::Activations& output = model_.encoder_output();
  float* const pooled = static_cast<float*>(model_.encoder_scratch().data);
  kernels::cuda::PoolRows({.in = output,
                           .ranges = inputs_.Send(rows.ranges),
                           .num_ranges = static_cast<int64_t>(rows.ranges.size()),
                           .out = pooled},
                          device_);
  const size_t bytes = rows.ranges.size() * output.width * sizeof(float);
  device_.Check(
      cudaMemcpyAsync(current_->states, pooled, bytes, cudaMemcpyDeviceToHost, device_.stream()),
      "reading encoder states");
  current_->counts = std::move(rows.counts);
}

void DeviceStates::Take(uint64_t run, StepResult* result) const {
  const Fetched& fetched = runs_[run % 2];
  const size_t width = model_.encoder_output().width;
  result->states = Share({fetched.states, Sum(fetched.counts) * width}, width, fetched.counts);
}

// A step's bulk work fits into the decoder's buffers; rows that are fed one token come on top.
DeviceScores::DeviceScores(kernels::cuda::Device* device, const Model* model,
                           kernels::cuda::Executor* executor, DeviceInputs* inputs)
    : device_(*device),
      model_(*model),
      executor_(*executor),
      inputs_(*inputs),
      max_tokens_(model->options().max_decoder_tokens + model->options().max_rows) {
  device_.Check(cudaMalloc(&logprobs_, model_.options().max_decoder_tokens * sizeof(float)),
                "allocating log-probabilities");
  for (Fetched& step : steps_) {
    device_.Check(cudaMallocHost(&step.logprobs, max_tokens_ * sizeof(float)),
                  "allocating log-probabilities");
  }
}

DeviceScores::~DeviceScores() {
  for (Fetched& step : steps_) cudaFreeHost(step.logprobs);
  cudaFree(logprobs_);
}

void DeviceScores::BeginStep(uint64_t step) {
  current_ = &steps_[step % 2];
  current_->counts.clear();
}

void DeviceScores::Score(const StepPlan& plan, RowRange range) {
  const ScoredTokens scored = ScoredTokensOf(plan, range);
  const size_t count = scored.targets.size();
  if (count == 0) return;
  const size_t before = Sum(current_->counts);
  Require(before + count <= max_tokens_, "a step scores more than it was planned for");
  const DeviceScoredTokens sent = inputs_.Send(scored);
  const size_t most = model_.options().max_rows;
  for (size_t first = 0; first < count; first += most) {
    kernels::DecoderInputs inputs;
    inputs.num_rows = static_cast<int32_t>(std::min(most, count - first));
    inputs.num_tokens = inputs.num_rows;
    inputs.query_offsets = sent.offsets + first;
    executor_.Run(model_.head(), inputs);
    kernels::cuda::ScoreTokens({.logits = model_.logits(),
                                .tokens = sent.targets + first,
                                .num_rows = inputs.num_rows,
                                .logprobs = logprobs_ + first},
                               device_);
  }
  device_.Check(cudaMemcpyAsync(current_->logprobs + before, logprobs_, count * sizeof(float),
                                cudaMemcpyDeviceToHost, device_.stream()),
                "reading log-probabilities");
  current_->counts.insert(current_->counts.end(), scored.counts.begin(), scored.counts.end());
}

void DeviceScores::Take(uint64_t step, StepResult* result) const {
  const Fetched& fetched = steps_[step % 2];
  result->target_logprobs = Share({fetched.logprobs, Sum(fetched.counts)}, 1, fetched.counts);
}

}  // namespace transept
