#include "engine/runner/device_rows.h"

#include <algorithm>

#include "engine/types/require.h"

namespace transept {

using kernels::cuda::Continuation;
using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;
using kernels::cuda::ScoredToken;

DeviceRows::DeviceRows(kernels::cuda::Device* device, int64_t rows, int64_t history_stride)
    : device_(*device), rows_(rows) {
  const auto allocate = [&](auto** data, int64_t count) {
    device->Check(cudaMalloc(data, count * sizeof(**data)), "allocating what rows keep");
  };
  slots_.history_stride = history_stride;
  allocate(&slots_.history, (rows + 1) * history_stride);
  allocate(&slots_.ancestry, (rows + 1) * history_stride);
  allocate(&slots_.beam_scores, rows + 1);
  device->Check(cudaMallocHost(&host_history_, 2 * rows * history_stride * sizeof(int32_t)),
                "allocating what rows keep");
}

DeviceRows::~DeviceRows() {
  cudaFreeHost(host_history_);
  cudaFree(slots_.beam_scores);
  cudaFree(slots_.ancestry);
  cudaFree(slots_.history);
}

void DeviceRows::Send(int32_t slot, absl::Span<const TokenId> history) {
  if (history.empty() || !device_.ok()) return;
  int32_t* const host = host_history_ + (step_ * rows_ + slot) * slots_.history_stride;
  std::copy(history.begin(), history.end(), host);
  device_.Check(
      cudaMemcpyAsync(slots_.history + slot * slots_.history_stride, host,
                      history.size() * sizeof(int32_t), cudaMemcpyHostToDevice, device_.stream()),
      "sending what a row inherits");
}

RowResults::RowResults(kernels::cuda::Device* device, int64_t rows) : rows_(rows) {
  const auto allocate = [&](auto** data, int64_t count) {
    device->Check(cudaMallocHost(data, count * sizeof(**data)), "allocating choices");
  };
  allocate(&chosen_, 2 * rows + 1);
  allocate(&top_, (2 * rows + 1) * kMaxTopTokens);
  allocate(&continuations_, 2 * rows * kMaxContinuationsEach);
}

RowResults::~RowResults() {
  cudaFreeHost(continuations_);
  cudaFreeHost(top_);
  cudaFreeHost(chosen_);
}

void RowResults::AddTo(kernels::cuda::TokenChoice* choice) const {
  choice->chosen = chosen_;
  choice->top = top_;
  choice->continuations = continuations_;
}

void RowResults::BeginStep(uint64_t index) {
  current_ = static_cast<int64_t>(index % 2);
  Step& step = steps_[current_];
  step.top_tokens.clear();
  step.in_search.clear();
  step.continuations.clear();
  step.num_continuations = 0;
}

void RowResults::Place(size_t count, absl::Span<RowChoice> rows) {
  Step& step = steps_[current_];
  for (size_t i = 0; i < rows.size(); ++i) {
    RowChoice& row = rows[i];
    if (i >= count) {
      row.result = static_cast<int32_t>(2 * rows_);
      continue;
    }
    Require(static_cast<int64_t>(step.top_tokens.size()) < rows_, "a step has too many rows");
    row.result = static_cast<int32_t>(current_ * rows_ + step.top_tokens.size());
    step.top_tokens.push_back(row.top_tokens);
    step.in_search.push_back(row.beams > 0);
    if (row.beams == 0) continue;
    row.first_continuation =
        static_cast<int32_t>(current_ * rows_ * kMaxContinuationsEach) + step.num_continuations;
    if (static_cast<int32_t>(row.hypothesis) < row.beams - 1) continue;
    step.continuations.push_back(row.beam_candidates);
    step.num_continuations += row.beam_candidates;
  }
}

void RowResults::Report(uint64_t index, StepResult* result) const {
  const auto parity = static_cast<int64_t>(index % 2);
  const Step& step = steps_[parity];
  result->rows.reserve(step.top_tokens.size());
  for (size_t i = 0; i < step.top_tokens.size(); ++i) {
    GeneratedToken& token = result->rows.emplace_back();
    const int64_t at = parity * rows_ + static_cast<int64_t>(i);
    if (!step.in_search[i]) {
      token.token = chosen_[at].token;
      token.logprob = chosen_[at].logprob;
    }
    const ScoredToken* const top = top_ + at * kMaxTopTokens;
    for (int32_t j = 0; j < step.top_tokens[i] && top[j].token >= 0; ++j) {
      token.top.push_back({top[j].token, top[j].logprob});
    }
  }
  const Continuation* next = continuations_ + parity * rows_ * kMaxContinuationsEach;
  for (const int32_t count : step.continuations) {
    std::vector<BeamCandidate>& candidates = result->beams.emplace_back();
    for (int32_t i = 0; i < count; ++i, ++next) {
      candidates.push_back({next->hypothesis, next->token, next->score});
    }
  }
}

}  // namespace transept
