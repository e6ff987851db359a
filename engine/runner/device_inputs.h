// The way of a step's arrays from StepInputs to the GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "engine/runner/step_inputs.h"
#include "engine/runner/token_results.h"
#include "kernels/cuda/choice.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/transfer.h"
#include "kernels/inputs.h"

namespace transept {

// A decoder step's arrays in device memory.
struct DeviceDecoderInputs {
  kernels::DecoderInputs inputs;
  int32_t* token_ids = nullptr;  // inputs.token_ids: negative ones are not known yet
  const kernels::cuda::RowChoice* rows = nullptr;  // [num_rows]
};

// How far the rows of the tables are apart on the device, where a graph looks for them.
struct TableStrides {
  int64_t block_table = 0;
  int64_t cross_block_table = 0;
};

// The same of ScoredTokens.
struct DeviceScoredTokens {
  const int32_t* offsets = nullptr;
  const int32_t* targets = nullptr;
};

// Packs arrays into pinned host memory and sends them as one copy on the device's stream, of the
// copy engine or, in front of a graph, of a kernel, which is faster. Equal shapes land in equal
// places, so that a recorded graph finds them. Host memory is used in turn by two steps: before the
// next but one begins, the copies of this one must have ended. Not thread-safe.
class DeviceInputs {
 public:
  // Room for one run's arrays of `bytes` bytes, and for `runs` runs a step. `device` must outlive
  // this object; errors go to it.
  DeviceInputs(kernels::cuda::Device* device, size_t bytes, size_t runs);
  ~DeviceInputs();

  DeviceInputs(const DeviceInputs&) = delete;
  DeviceInputs& operator=(const DeviceInputs&) = delete;

  // The next step's runs follow.
  void BeginStep();

  // Where the arrays of a run will be, valid for the launches until the next Send.
  kernels::EncoderInputs Send(const kernels::EncoderInputs& host);
  DeviceDecoderInputs Send(const kernels::DecoderInputs& host,
                           absl::Span<const kernels::cuda::RowChoice> rows);
  // For a graph of as many rows, which starts when all that is in front of it has ended. What the
  // tables have behind the columns of `host` is left as it is.
  DeviceDecoderInputs SendToGraph(const kernels::DecoderInputs& host,
                                  absl::Span<const kernels::cuda::RowChoice> rows,
                                  const TableStrides& strides);
  DeviceScoredTokens Send(const ScoredTokens& host);
  const kernels::TokenRange* Send(absl::Span<const kernels::TokenRange> host);

 private:
  template <typename T>
  const T* Put(const T* host, int64_t count);
  // Puts a table whose rows are to be `stride` apart on the device.
  kernels::cuda::TableTransfer PutTable(const int32_t* host, int64_t rows, int64_t columns,
                                        int64_t stride);
  // All but the tables.
  DeviceDecoderInputs PutRows(const kernels::DecoderInputs& host,
                              absl::Span<const kernels::cuda::RowChoice> rows);
  char* staged() { return host_ + step_ * step_bytes_ + run_begin_; }  // the run's host memory
  void EndRun();
  void Copy();

  kernels::cuda::Device& device_;
  const size_t bytes_;  // of one run
  const size_t step_bytes_;
  char* host_ = nullptr;         // [2, step_bytes_]
  char* device_data_ = nullptr;  // [bytes_]
  int step_ = 0;
  size_t run_begin_ = 0;  // within the step's host memory
  size_t used_ = 0;       // of the run
};

}  // namespace transept
