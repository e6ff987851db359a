#include "kernels/cuda/device.h"

#include <utility>

namespace transept::kernels::cuda {
namespace {

constexpr int kOldestMajor = 8;  // of the compute capability

}  // namespace

std::unique_ptr<Device> Device::Open(std::string* error) {
  std::unique_ptr<Device> device(new Device(std::make_shared<Gpu>()));
  device->ReadProperties();
  device->CreateStream();
  if (device->ok()) return device;
  *error = device->error();
  return nullptr;
}

std::unique_ptr<Device> Device::OpenAside() {
  std::unique_ptr<Device> aside(new Device(gpu_));
  aside->CreateStream();
  return aside;
}

void Device::ReadProperties() {
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaErrorInsufficientDriver) {  // also where there is none at all
    Note(
        "looking for a GPU: no NVIDIA driver was found, or one older than 580, which CUDA 13 "
        "needs; a container sees the host's if it is run with --gpus all",
        false);
    return;
  }
  if (!Check(found, "looking for a GPU")) return;
  cudaDeviceProp properties;
  if (!Check(cudaGetDeviceProperties(&properties, 0), "reading the GPU's properties")) return;
  gpu_->name = properties.name;
  gpu_->total_memory = properties.totalGlobalMem;
  gpu_->architecture = 10 * properties.major + properties.minor;
  gpu_->multiprocessors = properties.multiProcessorCount;
  gpu_->max_shared_bytes = properties.sharedMemPerBlockOptin;
  if (properties.major >= kOldestMajor) return;
  Note(gpu_->name + " has compute capability " + std::to_string(properties.major) + "." +
           std::to_string(properties.minor) + "; 8.0 is the oldest supported",
       false);
}

void Device::CreateStream() {
  if (!ok()) return;
  Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  Check(cublasLtCreate(&blas_), "starting cuBLASLt");
  Check(cudaMalloc(&workspace_, kWorkspaceBytes), "allocating the workspace");
  Check(cudaMalloc(&counters_, kCounters * sizeof(uint32_t)), "allocating the counters");
  if (!ok()) return;
  Check(cudaMemsetAsync(counters_, 0, kCounters * sizeof(uint32_t), stream_), "clearing");
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
  constexpr size_t kUnasked = size_t{46} << 10;  // what any kernel may have, less static arrays
  if (bytes <= kUnasked) return;
  cudaError_t result = cudaSuccess;
  {
    const std::lock_guard lock(gpu_->mu);
    size_t& reserved = gpu_->shared[kernel];
    if (bytes <= reserved) return;
    result = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes));
    reserved = bytes;
  }
  Check(result, "reserving shared memory");
}

bool Device::Check(cudaError_t result, const char* what) {
  if (result != cudaSuccess) {
    Note(std::string(what) + ": " + cudaGetErrorString(result),
         result == cudaErrorMemoryAllocation);
  }
  return ok();
}

bool Device::Check(cublasStatus_t result, const char* what) {
  if (result != CUBLAS_STATUS_SUCCESS) {
    Note(std::string(what) + ": " + cublasLtGetStatusString(result),
         result == CUBLAS_STATUS_ALLOC_FAILED);
  }
  return ok();
}

void Device::Note(std::string error, bool out_of_memory) {
  const std::lock_guard lock(gpu_->mu);
  if (!ok()) return;
  gpu_->error = std::move(error);
  gpu_->out_of_memory = out_of_memory;
  gpu_->failed.store(true, std::memory_order_release);
}

}  // namespace transept::kernels::cuda
