#include "engine/runner/row_rules.h"

#include <algorithm>

#include "engine/runner/device_choice.h"
#include "engine/types/require.h"

namespace transept {

using kernels::cuda::SequenceRule;
using kernels::cuda::SequenceRules;

RowRules::RowRules(kernels::cuda::Device* device, int64_t slots, int64_t max_source_tokens)
    : device_(*device), slots_(slots), source_stride_(max_source_tokens) {
  const size_t sequences = slots_ * sizeof(SequenceRules);
  const size_t sources = slots_ * source_stride_ * sizeof(int32_t);
  device_.Check(cudaMalloc(&sequences_, sequences), "allocating sequences");
  device_.Check(cudaMalloc(&sources_, sources), "allocating rows' sources");
  device_.Check(cudaMallocHost(&host_sequences_, 2 * sequences), "allocating sequences");
  device_.Check(cudaMallocHost(&host_sources_, 2 * sources), "allocating rows' sources");
}

RowRules::~RowRules() {
  cudaFreeHost(host_sources_);
  cudaFreeHost(host_sequences_);
  cudaFree(sources_);
  cudaFree(sequences_);
}

void RowRules::Send(int32_t slot, const DecodeParams& params, absl::Span<const TokenId> source) {
  const auto copy = [&](void* to, const void* from, size_t bytes) {
    if (bytes == 0 || !device_.ok()) return;
    device_.Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device_.stream()),
                  "sending a row's sequences and source");
  };
  if (!device_.ok()) return;
  if (const size_t count = params.sequence_bias.size() + params.bad_words.size(); count > 0) {
    SequenceRules& host = host_sequences_[step_ * slots_ + slot];
    FillRules(params, &host);
    copy(sequences_[slot].rules, host.rules, (count + 1) * sizeof(SequenceRule));
    copy(sequences_[slot].prefixes, host.prefixes, host.rules[count].prefix * sizeof(int32_t));
  }
  if (params.encoder_no_repeat_ngram_size > 0) {
    Require(static_cast<int64_t>(source.size()) <= source_stride_,
            "a source is longer than was planned for");
    int32_t* const host = host_sources_ + (step_ * slots_ + slot) * source_stride_;
    std::copy(source.begin(), source.end(), host);
    copy(sources_ + slot * source_stride_, host, source.size() * sizeof(int32_t));
  }
}

void RowRules::AddTo(kernels::cuda::RowSlots* slots) const {
  slots->sequences = sequences_;
  slots->sources = sources_;
  slots->source_stride = source_stride_;
}

}  // namespace transept
