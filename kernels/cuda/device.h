// One GPU as one engine uses it.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace transept::kernels::cuda {

// Owns a stream, a cuBLASLt handle and a workspace, and keeps the first error: a CUDA error stays
// with the context for good, so what follows it is void until the process opens the device anew.
// Not thread-safe.
class Device {
 public:
  // The GPU `ordinal`, or null with the reason in `error`: no driver, no such device, too old.
  static std::unique_ptr<Device> Open(int ordinal, std::string* error);
  ~Device();

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // The one place that every result of CUDA and cuBLAS passes. Notes the first failure. Returns
  // whether all has been well so far.
  bool Check(cudaError_t result, const char* what);
  bool Check(cublasStatus_t result, const char* what);
  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }
  bool out_of_memory() const { return out_of_memory_; }  // whether that was the first failure

  cudaStream_t stream() const { return stream_; }
  cublasLtHandle_t blas() const { return blas_; }
  const std::string& name() const { return name_; }
  int multiprocessors() const { return multiprocessors_; }
  // Shared memory that a block may reserve, in bytes.
  size_t max_shared_bytes() const { return max_shared_bytes_; }
  size_t total_memory() const { return total_memory_; }
  // Bytes that can be allocated now.
  size_t AvailableMemory();

  // Allows launches of `kernel` with so much dynamic shared memory.
  void ReserveShared(const void* kernel, size_t bytes);

  // Scratch memory for whatever operation runs on the stream.
  static constexpr size_t kWorkspaceBytes = size_t{64} << 20;
  void* workspace() const { return workspace_; }
  // Zero between operations: thread blocks count here who of them comes last.
  static constexpr int64_t kCounters = 1 << 16;
  uint32_t* counters() const { return counters_; }

 private:
  Device() = default;
  void Initialize(int ordinal);

  void Note(const char* what, const char* error, bool out_of_memory);

  std::string error_;
  bool out_of_memory_ = false;
  std::string name_;
  size_t total_memory_ = 0;
  int multiprocessors_ = 0;
  size_t max_shared_bytes_ = 0;
  cudaStream_t stream_ = nullptr;
  cublasLtHandle_t blas_ = nullptr;
  void* workspace_ = nullptr;
  uint32_t* counters_ = nullptr;
  std::unordered_map<const void*, size_t> shared_;  // reserved, by kernel
};

}  // namespace transept::kernels::cuda
