#include "kernels/cuda/device.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kOldestMajor = 8;  // of the compute capability

}  // namespace

std::unique_ptr<Device> Device::Open(int ordinal, std::string* error) {
  std::unique_ptr<Device> device(new Device);
  device->Initialize(ordinal);
  if (device->ok()) return device;
  *error = device->error();
  return nullptr;
}

void Device::Initialize(int ordinal) {
  int count = 0;
  if (!Check(cudaGetDeviceCount(&count), "looking for a GPU")) return;
  if (ordinal >= count) {
    error_ = "there is no GPU " + std::to_string(ordinal) + ", only " + std::to_string(count);
    return;
  }
  cudaDeviceProp properties;
  if (!Check(cudaSetDevice(ordinal), "choosing the GPU") ||
      !Check(cudaGetDeviceProperties(&properties, ordinal), "reading the GPU's properties")) {
    return;
  }
  name_ = properties.name;
  total_memory_ = properties.totalGlobalMem;
  multiprocessors_ = properties.multiProcessorCount;
  max_shared_bytes_ = properties.sharedMemPerBlockOptin;
  if (properties.major < kOldestMajor) {
    error_ = name_ + " has compute capability " + std::to_string(properties.major) + "." +
             std::to_string(properties.minor) + "; 8.0 is the oldest supported";
    return;
  }
  Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  Check(cublasLtCreate(&blas_), "starting cuBLASLt");
  Check(cudaMalloc(&workspace_, kWorkspaceBytes), "allocating the workspace");
  Check(cudaMalloc(&counters_, kCounters * sizeof(uint32_t)), "allocating the counters");
  if (ok()) {
    Check(cudaMemsetAsync(counters_, 0, kCounters * sizeof(uint32_t), stream_), "clearing");
  }
}

Device::~Device() {
  cudaFree(counters_);
  cudaFree(workspace_);
  if (blas_) cublasLtDestroy(blas_);
  if (stream_) cudaStreamDestroy(stream_);
}

size_t Device::AvailableMemory() {
  size_t available = 0;
  size_t total = 0;
  Check(cudaMemGetInfo(&available, &total), "reading how much memory is free");
  return available;
}

void Device::ReserveShared(const void* kernel, size_t bytes) {
  constexpr size_t kUnasked = size_t{47} << 10;  // what any kernel may have, less static arrays
  if (bytes <= kUnasked) return;
  size_t& reserved = shared_[kernel];
  if (bytes <= reserved) return;
  Check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "reserving shared memory");
  reserved = bytes;
}

bool Device::Check(cudaError_t result, const char* what) {
  if (result != cudaSuccess) {
    Note(what, cudaGetErrorString(result), result == cudaErrorMemoryAllocation);
  }
  return ok();
}

bool Device::Check(cublasStatus_t result, const char* what) {
  if (result != CUBLAS_STATUS_SUCCESS) {
    Note(what, cublasLtGetStatusString(result), result == CUBLAS_STATUS_ALLOC_FAILED);
  }
  return ok();
}

void Device::Note(const char* what, const char* error, bool out_of_memory) {
  if (!ok()) return;
  error_ = std::string(what) + ": " + error;
  out_of_memory_ = out_of_memory;
}

}  // namespace transept::kernels::cuda
