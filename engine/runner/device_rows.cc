#include "engine/runner/device_rows.h"

#include "kernels/cuda/transfer.h"

namespace transept {

using kernels::cuda::Continuation;
using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;
using kernels::cuda::ScoredToken;

namespace {

// Instead of a number of alternatives: a row in beam search, which chooses nothing alone.
constexpr int32_t kInSearch = -1;

}  // namespace

DeviceRows::DeviceRows(kernels::cuda::Device* device, int64_t rows, int64_t history_stride) {
  const auto allocate = [&](auto** data, int64_t count) {
    device->Check(cudaMalloc(data, count * sizeof(**data)), "allocating what rows keep");
  };
  slots_.history_stride = history_stride;
  allocate(&slots_.history, (rows + 1) * history_stride);
  allocate(&slots_.ancestry, (rows + 1) * history_stride);
  allocate(&slots_.beam_scores, rows + 1);
  allocate(&choices_.chosen, rows);
  allocate(&choices_.top, rows * kMaxTopTokens);
  allocate(&choices_.continuations, rows * kMaxContinuationsEach);
}

DeviceRows::~DeviceRows() {
  cudaFree(choices_.continuations);
  cudaFree(choices_.top);
  cudaFree(choices_.chosen);
  cudaFree(slots_.beam_scores);
  cudaFree(slots_.ancestry);
  cudaFree(slots_.history);
}

StepChoices::StepChoices(kernels::cuda::Device* device, int64_t rows) : device_(*device) {
  const auto allocate = [&](auto** data, int64_t count) {
    device_.Check(cudaMallocHost(data, count * sizeof(**data)), "allocating choices");
  };
  allocate(&host_.chosen, rows);
  allocate(&host_.top, rows * kMaxTopTokens);
  allocate(&host_.continuations, rows * kMaxContinuationsEach);
}

StepChoices::~StepChoices() {
  cudaFreeHost(host_.continuations);
  cudaFreeHost(host_.top);
  cudaFreeHost(host_.chosen);
}

void StepChoices::Clear() {
  top_tokens_.clear();
  continuations_.clear();
  num_continuations_ = 0;
}

void StepChoices::Fetch(const DeviceChoices& from, absl::Span<const RowChoice> rows) {
  const auto copy = [](auto* to, const auto* data, int64_t count) -> kernels::cuda::Transfer {
    return {to, data, count * sizeof(*to)};
  };
  const auto begin = static_cast<int64_t>(top_tokens_.size());
  const auto count = static_cast<int64_t>(rows.size());
  bool choose_alone = false;
  bool reports_top = false;
  int64_t continuations = 0;
  for (const RowChoice& row : rows) {
    top_tokens_.push_back(row.beams > 0 ? kInSearch : row.top_tokens);
    choose_alone = choose_alone || row.beams == 0;
    reports_top = reports_top || row.top_tokens > 0;
    if (row.beams == 0 || row.hypothesis > 0) continue;
    continuations_.push_back(row.beam_candidates);
    continuations += row.beam_candidates;
  }
  kernels::cuda::RunTransfers(
      {copy(host_.chosen + begin, from.chosen, choose_alone ? count : 0),
       copy(host_.top + begin * kMaxTopTokens, from.top, reports_top ? count * kMaxTopTokens : 0),
       copy(host_.continuations + num_continuations_, from.continuations, continuations)},
      device_);
  num_continuations_ += continuations;
}

void StepChoices::Report(StepResult* result) const {
  for (size_t i = 0; i < top_tokens_.size(); ++i) {
    GeneratedToken& chosen = result->rows.emplace_back();
    if (top_tokens_[i] == kInSearch) continue;
    chosen.token = host_.chosen[i].token;
    chosen.logprob = host_.chosen[i].logprob;
    const ScoredToken* const top = host_.top + i * kMaxTopTokens;
    for (int32_t j = 0; j < top_tokens_[i] && top[j].token >= 0; ++j) {
      chosen.top.push_back({top[j].token, top[j].logprob});
    }
  }
  const Continuation* next = host_.continuations;
  for (const int32_t count : continuations_) {
    std::vector<BeamCandidate>& candidates = result->beams.emplace_back();
    for (int32_t i = 0; i < count; ++i, ++next) {
      candidates.push_back({next->hypothesis, next->token, next->score});
    }
  }
}

}  // namespace transept
