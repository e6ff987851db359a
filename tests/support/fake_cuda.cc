#include "tests/support/fake_cuda.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "tests/support/fake_cuda_call.h"

namespace transept::fake_cuda {
namespace {

cudaError_t Copy(const char* name, void* to, const void* from, size_t bytes) {
  const Call call(name);
  if (call.ok()) std::memcpy(to, from, bytes);
  return call.result;
}

}  // namespace

void Reset(size_t total_memory, size_t shared_memory, int multiprocessors) {
  Gpu& gpu = TheGpu();
  const std::lock_guard lock(gpu.mu);
  gpu.total = total_memory;
  gpu.shared = shared_memory;
  gpu.multiprocessors = multiprocessors;
  gpu.calls.clear();
  gpu.until_failure = -1;
  gpu.lost = cudaSuccess;
  gpu.lateness = 0;
  gpu.elapsed = {1.0f};
}

void SetLateness(int queries) {
  const std::lock_guard lock(TheGpu().mu);
  TheGpu().lateness = queries;
}

void SetElapsed(std::vector<float> milliseconds) {
  const std::lock_guard lock(TheGpu().mu);
  TheGpu().elapsed = std::move(milliseconds);
  TheGpu().next_elapsed = 0;
}

void Inject(const Failure& failure) {
  Gpu& gpu = TheGpu();
  const std::lock_guard lock(gpu.mu);
  gpu.failure = failure;
  gpu.until_failure = failure.after;
}

std::unique_lock<std::mutex> Hold() {
  return std::unique_lock(TheGpu().mu);
}

std::map<std::string, int64_t> Calls() {
  const std::lock_guard lock(TheGpu().mu);
  return TheGpu().calls;
}

void ForgetCalls() {
  const std::lock_guard lock(TheGpu().mu);
  TheGpu().calls.clear();
}

size_t used_memory() {
  const std::lock_guard lock(TheGpu().mu);
  return TheGpu().used;
}

int64_t held() {
  const std::lock_guard lock(TheGpu().mu);
  return static_cast<int64_t>(TheGpu().device.size()) + TheGpu().others;
}

extern "C" {  // the global functions, wherever they are defined

// The device.

cudaError_t cudaGetDeviceCount(int* count) {
  Call call("cudaGetDeviceCount");
  *count = call.gpu().total > 0 ? 1 : 0;
  return *count == 0 ? cudaErrorNoDevice : call.result;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  Call call("cudaGetDeviceProperties");
  *properties = {};
  std::strcpy(properties->name, "a GPU that is none");
  properties->major = 9;
  properties->multiProcessorCount = call.gpu().multiprocessors;
  properties->sharedMemPerBlockOptin = call.gpu().shared;
  properties->totalGlobalMem = call.gpu().total;
  return call.result;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned int,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  Call call("cudaGetDriverEntryPointByVersion");
  *function = nullptr;
  *found = cudaDriverEntryPointSymbolNotFound;
  return call.result;
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  Call call("cudaMemGetInfo");
  *total = call.gpu().total;
  *available = call.gpu().total - call.gpu().used;
  return call.result;
}

cudaError_t cudaGetLastError() {
  return cudaSuccess;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    default: return "some other error";
  }
}

// Memory. The device's is the host's, mapped so that what nobody touches takes no room.

cudaError_t cudaMalloc(void** data, size_t bytes) {
  Call call("cudaMalloc");
  *data = nullptr;
  if (!call.ok()) return call.result;
  if (bytes > call.gpu().total - call.gpu().used) return cudaErrorMemoryAllocation;
  *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
               -1, 0);
  if (*data == MAP_FAILED) std::abort();
  call.gpu().device.emplace(*data, bytes);
  call.gpu().used += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  Call call("cudaFree");
  if (data == nullptr) return call.result;
  const auto allocation = call.gpu().device.find(data);
  if (allocation == call.gpu().device.end()) return cudaErrorInvalidValue;
  munmap(data, allocation->second);
  call.gpu().used -= allocation->second;
  call.gpu().device.erase(allocation);
  return call.result;
}

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  Call call("cudaHostAlloc");
  *data = call.ok() ? std::calloc(bytes, 1) : nullptr;
  if (call.ok()) ++call.gpu().others;
  return call.result;
}

cudaError_t cudaMallocHost(void** data, size_t bytes) {
  return cudaHostAlloc(data, bytes, 0);
}

cudaError_t cudaFreeHost(void* data) {
  return Destroy("cudaFreeHost", data);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  return Copy("cudaMemcpy", to, from, bytes);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  return Copy("cudaMemcpyAsync", to, from, bytes);
}

// Memory that is fresh is zero already, and must not be touched.
cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t) {
  Call call("cudaMemsetAsync");
  const auto allocation = call.gpu().device.find(data);
  const bool whole = allocation != call.gpu().device.end() && allocation->second == bytes;
  if (call.ok() && value == 0 && whole) {
    madvise(data, bytes, MADV_DONTNEED);
  } else if (call.ok()) {
    std::memset(data, value, bytes);
  }
  return call.result;
}

// Streams and events. Everything has happened when it was asked for.

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return Make("cudaStreamCreateWithFlags", stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return Destroy("cudaStreamDestroy", stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return Nothing("cudaStreamSynchronize");
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) {
  Call call("cudaStreamWaitEvent");
  LateQueries(call, event) = 0;
  return call.result;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  const cudaError_t result = Make("cudaEventCreate", event);
  const std::lock_guard lock(TheGpu().mu);
  if (result == cudaSuccess) TheGpu().events[*event] = 0;
  return result;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const cudaError_t result = Make("cudaEventCreateWithFlags", event);
  const std::lock_guard lock(TheGpu().mu);
  if (result == cudaSuccess) TheGpu().events[*event] = 0;
  return result;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  {
    const std::lock_guard lock(TheGpu().mu);
    TheGpu().events.erase(event);
  }
  return Destroy("cudaEventDestroy", event);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  Call call("cudaEventRecord");
  LateQueries(call, event) = call.gpu().lateness;
  return call.result;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  Call call("cudaEventQuery");
  int& late = LateQueries(call, event);
  return call.ok() && late > 0 && late-- > 0 ? cudaErrorNotReady : call.result;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Call call("cudaEventSynchronize");
  LateQueries(call, event) = 0;
  return call.result;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  Call call("cudaEventElapsedTime");
  LateQueries(call, begin);
  LateQueries(call, end);
  Gpu& gpu = call.gpu();
  *milliseconds = gpu.elapsed[gpu.next_elapsed++ % gpu.elapsed.size()];
  return call.result;
}

// Kernels and graphs.

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t*, const void*, void**) {
  return Nothing("cudaLaunchKernelExC");
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int value) {
  Call call("cudaFuncSetAttribute");
  return value > static_cast<int64_t>(call.gpu().shared) ? cudaErrorInvalidValue : call.result;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  return Nothing("cudaStreamBeginCapture");
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  return Make("cudaStreamEndCapture", graph);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* graph, cudaGraph_t, unsigned long long) {
  return Make("cudaGraphInstantiate", graph);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return Nothing("cudaGraphUpload");
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) {
  return Nothing("cudaGraphLaunch");
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return Destroy("cudaGraphDestroy", graph);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  return Destroy("cudaGraphExecDestroy", graph);
}

// What nvcc's code calls when the program starts.

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, uint3*, uint3*, dim3*,
                            dim3*, int*) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
cudaError_t __cudaGetKernel(cudaKernel_t*, const void*) {
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, size_t, cudaStream_t) {
  return cudaSuccess;
}
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, size_t*, void*) {
  return cudaSuccess;
}

}  // extern "C"

}  // namespace transept::fake_cuda
