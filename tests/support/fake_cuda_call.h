// How the functions of the fake CUDA are made: for its own sources.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/fake_cuda.h"

namespace transept::fake_cuda {

struct Gpu {
  std::mutex mu;
  size_t total = 0;
  size_t used = 0;
  size_t shared = 0;  // that a block may reserve
  int multiprocessors = 0;
  std::map<void*, size_t> device;  // allocations
  int64_t others = 0;              // of pinned memory, streams, events, graphs, handles
  std::map<std::string, int64_t> calls;
  Failure failure;
  int64_t until_failure = -1;  // -1 = none is to come
  cudaError_t lost = cudaSuccess;
  int lateness = 0;
  std::vector<float> elapsed = {1.0f};  // milliseconds, in turn
  size_t next_elapsed = 0;
  std::map<cudaEvent_t, int> events;  // that there are, and the queries that find them late
};

inline Gpu& TheGpu() {
  static Gpu gpu;
  return gpu;
}

// Counts a call and says whether it fails. What it does is done under the lock.
class Call {
 public:
  explicit Call(const char* name) : lock_(TheGpu().mu) {
    Gpu& gpu = TheGpu();
    ++gpu.calls[name];
    result = gpu.lost;
    if (gpu.until_failure < 0) return;
    if (!gpu.failure.call.empty() && gpu.failure.call != name) return;
    if (gpu.until_failure-- > 0) return;
    result = gpu.failure.error;
    if (gpu.failure.lasting) gpu.lost = result;
  }

  bool ok() const { return result == cudaSuccess; }
  Gpu& gpu() { return TheGpu(); }

  cudaError_t result = cudaSuccess;

 private:
  const std::lock_guard<std::mutex> lock_;
};

// Makes something that has no more to it than that it must be destroyed.
template <typename Handle>
cudaError_t Make(const char* name, Handle* handle) {
  Call call(name);
  if (!call.ok()) return call.result;
  *handle = reinterpret_cast<Handle>(std::malloc(1));
  ++call.gpu().others;
  return cudaSuccess;
}

// Also when the device is lost: what the process holds of it goes.
template <typename Handle>
cudaError_t Destroy(const char* name, Handle handle) {
  Call call(name);
  if (handle == nullptr) return cudaErrorInvalidValue;
  std::free(reinterpret_cast<void*>(handle));
  --call.gpu().others;
  return call.result;
}

// How many more queries find the event late. Ends the process if there is no such event: a true
// runtime's answer to that need not be seen by anybody.
inline int& LateQueries(Call& call, cudaEvent_t event) {
  const auto found = call.gpu().events.find(event);
  if (found != call.gpu().events.end()) return found->second;
  std::fputs("fake CUDA: an event is used that was destroyed\n", stderr);
  std::abort();
}

inline cudaError_t Nothing(const char* name) {
  return Call(name).result;
}

}  // namespace transept::fake_cuda
