// A CUDA runtime and cuBLASLt without a GPU: a program that is linked with it believes it has one.
// Its kernels do nothing; all else a host can see works: memory has a size, copies copy, calls can
// be counted and made to fail, and what was not given back shows.
//
// It defines every function of both libraries that the product calls, so that nothing of the true
// runtime is linked. One that is missing brings that in, and the linker complains of duplicates.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace transept::fake_cuda {

// A new GPU with so much memory, and so much shared memory for a thread block: no memory takes it
// out of the machine. Counts start at 0, failures are forgotten. Nothing may be held.
void Reset(size_t total_memory = size_t{8} << 30, size_t shared_memory = 227 << 10,
           int multiprocessors = 132);

struct Failure {
  std::string call;   // the function's name; empty = any that can fail
  int64_t after = 0;  // so many more of these calls succeed
  cudaError_t error = cudaErrorIllegalAddress;
  bool lasting = true;  // all calls fail from then on, as when a device is lost
};

// Replaces what was injected before. Thread-safe, like all that follows.
void Inject(const Failure& failure);

// While this is held, calls wait.
[[nodiscard]] std::unique_lock<std::mutex> Hold();

// The calls since Reset or ForgetCalls, by the function's name.
std::map<std::string, int64_t> Calls();
void ForgetCalls();

// From now on the next `queries` queries of an event after it was recorded find that it has not
// happened yet; 0 at first. Who waits for it finds it has.
void SetLateness(int queries);

// From now on what lies between two events takes so many milliseconds, in turn; one at first.
void SetElapsed(std::vector<float> milliseconds);

// Bytes of device memory that are allocated.
size_t used_memory();
// How many allocations, pinned ones included, streams, events, graphs and handles there are.
int64_t held();

}  // namespace transept::fake_cuda
