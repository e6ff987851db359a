// One GPU as one engine uses it.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace transept::kernels::cuda {

// Owns a stream, a cuBLASLt handle and a workspace, and keeps the first error: a CUDA error stays
// with the context for good, so what follows it is void until the process opens the device anew.
// Used by one thread, but that any may call Check and read what it has noted.
class Device {
 public:
  // The first GPU that CUDA shows (CUDA_VISIBLE_DEVICES says which), the one that every thread
  // works with unasked; or null with the reason in `error`: no driver, no GPU, too old.
  static std::unique_ptr<Device> Open(std::string* error);
  ~Device();

  // Another stream of the same GPU, with a workspace of its own, for another thread maybe. Both
  // have one error, the first that either notes, also of this call.
  std::unique_ptr<Device> OpenAside();

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // The one place that every result of CUDA and cuBLAS passes. Notes the first failure. Returns
  // whether all has been well so far.
  bool Check(cudaError_t result, const char* what);
  bool Check(cublasStatus_t result, const char* what);
  bool ok() const { return !gpu_->failed.load(std::memory_order_acquire); }
  std::string error() const { return ok() ? "" : gpu_->error; }
  // Whether that was the first failure.
  bool out_of_memory() const { return !ok() && gpu_->out_of_memory; }

  cudaStream_t stream() const { return stream_; }
  cublasLtHandle_t blas() const { return blas_; }
  const std::string& name() const { return gpu_->name; }
  int architecture() const { return gpu_->architecture; }  // compute capability: 90 for 9.0
  int multiprocessors() const { return gpu_->multiprocessors; }
  // Shared memory that a block may reserve, in bytes.
  size_t max_shared_bytes() const { return gpu_->max_shared_bytes; }
  size_t total_memory() const { return gpu_->total_memory; }
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
  // What all streams of a GPU have in common.
  struct Gpu {
    std::mutex mu;
    std::atomic<bool> failed = false;
    std::string error;           // guarded by mu until failed, then constant
    bool out_of_memory = false;  // likewise
    std::string name;
    size_t total_memory = 0;
    int architecture = 0;
    int multiprocessors = 0;
    size_t max_shared_bytes = 0;
    std::unordered_map<const void*, size_t> shared;  // reserved, by kernel; guarded by mu
  };

  explicit Device(std::shared_ptr<Gpu> gpu) : gpu_(std::move(gpu)) {}
  void ReadProperties();
  void CreateStream();
  void Note(std::string error, bool out_of_memory);

  const std::shared_ptr<Gpu> gpu_;
  cudaStream_t stream_ = nullptr;
  cublasLtHandle_t blas_ = nullptr;
  void* workspace_ = nullptr;
  uint32_t* counters_ = nullptr;
};

}  // namespace transept::kernels::cuda
