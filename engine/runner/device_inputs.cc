#include "engine/runner/device_inputs.h"

#include <cstring>

#include "engine/types/require.h"

namespace transept {

// Every array begins at a multiple of this.
constexpr size_t kAlignment = 16;

DeviceInputs::DeviceInputs(kernels::cuda::Device* device, size_t bytes, size_t runs)
    : device_(*device), bytes_(bytes), step_bytes_(bytes * runs) {
  device_.Check(cudaMallocHost(&host_, 2 * step_bytes_), "allocating pinned memory");
  device_.Check(cudaMalloc(&device_data_, bytes_), "allocating a step's inputs");
  // Kernels may load what tables have behind a row's blocks, though they do not use it.
  if (device_.ok()) {
    device_.Check(cudaMemsetAsync(device_data_, 0, bytes_, device_.stream()), "clearing");
  }
}

DeviceInputs::~DeviceInputs() {
  cudaFree(device_data_);
  cudaFreeHost(host_);
}

void DeviceInputs::BeginStep() {
  step_ = 1 - step_;
  run_begin_ = 0;
  used_ = 0;
}

template <typename T>
const T* DeviceInputs::Put(const T* host, int64_t count) {
  if (host == nullptr) return nullptr;
  const size_t bytes = count * sizeof(T);
  Require(used_ + bytes <= bytes_ && run_begin_ + used_ + bytes <= step_bytes_,
          "a step's inputs exceed what the runner was made for");
  const size_t at = used_;
  std::memcpy(staged() + at, host, bytes);
  used_ = (used_ + bytes + kAlignment - 1) / kAlignment * kAlignment;
  return reinterpret_cast<const T*>(device_data_ + at);
}

kernels::cuda::TableTransfer DeviceInputs::PutTable(const int32_t* host, int64_t rows,
                                                    int64_t columns, int64_t stride) {
  const size_t bytes = rows * stride * sizeof(int32_t);
  Require(columns <= stride && used_ + bytes <= bytes_ && run_begin_ + used_ + bytes <= step_bytes_,
          "a step's tables exceed what the runner was made for");
  const size_t at = used_;
  std::memcpy(staged() + at, host, rows * columns * sizeof(int32_t));
  used_ = (used_ + bytes + kAlignment - 1) / kAlignment * kAlignment;
  return {.to = reinterpret_cast<int32_t*>(device_data_ + at),
          .from = reinterpret_cast<const int32_t*>(staged() + at),
          .rows = static_cast<int32_t>(rows),
          .columns = static_cast<int32_t>(columns),
          .stride = stride};
}

void DeviceInputs::EndRun() {
  run_begin_ += used_;
  used_ = 0;
}

void DeviceInputs::Copy() {
  if (device_.ok()) {
    device_.Check(
        cudaMemcpyAsync(device_data_, staged(), used_, cudaMemcpyHostToDevice, device_.stream()),
        "sending a step's inputs");
  }
  EndRun();
}

kernels::EncoderInputs DeviceInputs::Send(const kernels::EncoderInputs& host) {
  kernels::EncoderInputs inputs = host;
  inputs.token_ids = Put(host.token_ids, host.num_tokens);
  inputs.positions = Put(host.positions, host.num_tokens);
  inputs.embedded_positions = Put(host.embedded_positions, host.num_tokens);
  inputs.offsets = Put(host.offsets, host.num_sources + 1);
  inputs.cross_slots = Put(host.cross_slots, host.num_tokens);
  Copy();
  return inputs;
}

DeviceDecoderInputs DeviceInputs::PutRows(const kernels::DecoderInputs& host,
                                          absl::Span<const kernels::cuda::RowChoice> rows) {
  DeviceDecoderInputs sent;
  kernels::DecoderInputs& inputs = sent.inputs;
  inputs = host;
  inputs.token_ids = Put(host.token_ids, host.num_tokens);
  inputs.positions = Put(host.positions, host.num_tokens);
  inputs.embedded_positions = Put(host.embedded_positions, host.num_tokens);
  inputs.query_offsets = Put(host.query_offsets, host.num_rows + 1);
  inputs.self_slots = Put(host.self_slots, host.num_tokens);
  inputs.beam_slots = Put(host.beam_slots, host.beam_slots == nullptr ? 0 : host.num_rows);
  inputs.source_offsets = Put(host.source_offsets, host.num_sources + 1);
  inputs.cross_lengths = Put(host.cross_lengths, host.num_sources);
  sent.token_ids = const_cast<int32_t*>(inputs.token_ids);
  sent.rows = Put(rows.data(), rows.size());
  return sent;
}

DeviceDecoderInputs DeviceInputs::Send(const kernels::DecoderInputs& host,
                                       absl::Span<const kernels::cuda::RowChoice> rows) {
  DeviceDecoderInputs sent = PutRows(host, rows);
  sent.inputs.block_tables = Put(host.block_tables, host.num_rows * host.block_table_stride);
  sent.inputs.cross_block_tables =
      Put(host.cross_block_tables, host.num_sources * host.cross_block_table_stride);
  Copy();
  return sent;
}

DeviceDecoderInputs DeviceInputs::SendToGraph(const kernels::DecoderInputs& host,
                                              absl::Span<const kernels::cuda::RowChoice> rows,
                                              const TableStrides& strides) {
  DeviceDecoderInputs sent = PutRows(host, rows);
  kernels::cuda::Transfer transfer = {device_data_, staged(), used_};
  auto& [blocks, cross_blocks] = transfer.tables;
  blocks = PutTable(host.block_tables, host.num_rows, host.block_table_stride, strides.block_table);
  cross_blocks = PutTable(host.cross_block_tables, host.num_sources, host.cross_block_table_stride,
                          strides.cross_block_table);
  sent.inputs.block_tables = blocks.to;
  sent.inputs.block_table_stride = blocks.stride;
  sent.inputs.cross_block_tables = cross_blocks.to;
  sent.inputs.cross_block_table_stride = cross_blocks.stride;
  kernels::cuda::RunTransfer(transfer, device_);
  EndRun();
  return sent;
}

DeviceScoredTokens DeviceInputs::Send(const ScoredTokens& host) {
  DeviceScoredTokens sent;
  sent.offsets = Put(host.offsets.data(), host.offsets.size());
  sent.targets = Put(host.targets.data(), host.targets.size());
  Copy();
  return sent;
}

const kernels::TokenRange* DeviceInputs::Send(absl::Span<const kernels::TokenRange> host) {
  const kernels::TokenRange* const sent = Put(host.data(), host.size());
  Copy();
  return sent;
}

}  // namespace transept
