#include "kernels/cuda/weight_prefetch.h"

#include <utility>

namespace transept::kernels::cuda {
namespace {

constexpr int kBlocks = 32;
constexpr int kThreads = 32;
constexpr int64_t kPiece = 8192;  // bytes that a thread asks for at once
constexpr int kOldestArchitecture = 90;
// With fewer it was slower nearly wherever it was tried, by up to 11 %.
constexpr int64_t kFewestRows = 17;

// Has the copy engine fetch whole pieces of 16 bytes.
__device__ void Fetch([[maybe_unused]] const char* from, [[maybe_unused]] uint32_t bytes) {
#if __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
#endif
}

__global__ void __launch_bounds__(kThreads) Prefetch(const WeightList list) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (int i = 0; i < list.count; ++i) {
    const WeightList::Range range = list.ranges[i];
    for (int64_t at = thread * kPiece; at < range.bytes; at += kBlocks * kThreads * kPiece) {
      const int64_t bytes = min(range.bytes - at, kPiece) / 16 * 16;
      if (bytes > 0) Fetch(range.data + at, static_cast<uint32_t>(bytes));
    }
  }
}

}  // namespace

WeightPrefetch::WeightPrefetch(PrefetchPlan plan, Device* device)
    : plan_(device->architecture() >= kOldestArchitecture ? std::move(plan) : PrefetchPlan{}),
      device_(*device) {
  if (plan_.behind.empty()) return;
  device_.Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  for (cudaEvent_t* event : {&launched_, &fetched_}) {
    device_.Check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "creating an event");
  }
}

WeightPrefetch::~WeightPrefetch() {
  for (cudaEvent_t event : {launched_, fetched_}) {
    if (event) cudaEventDestroy(event);
  }
  if (stream_) cudaStreamDestroy(stream_);
}

bool WeightPrefetch::Serves(int64_t rows) const {
  return !plan_.behind.empty() && rows >= kFewestRows && rows <= plan_.few_rows;
}

void WeightPrefetch::Behind(const Operation& operation) {
  const auto list = plan_.behind.find(&operation);
  if (list == plan_.behind.end() || !device_.ok()) return;
  device_.Check(cudaEventRecord(launched_, device_.stream()), "recording an event");
  device_.Check(cudaStreamWaitEvent(stream_, launched_, 0), "waiting for an event");
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(kBlocks);
  config.blockDim = dim3(kThreads);
  config.stream = stream_;
  device_.Check(cudaLaunchKernelEx(&config, Prefetch, list->second), "fetching weights");
  forked_ = true;
}

void WeightPrefetch::Join() {
  if (!std::exchange(forked_, false) || !device_.ok()) return;
  device_.Check(cudaEventRecord(fetched_, stream_), "recording an event");
  device_.Check(cudaStreamWaitEvent(device_.stream(), fetched_, 0), "waiting for an event");
}

}  // namespace transept::kernels::cuda
