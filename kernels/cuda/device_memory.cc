#include "kernels/cuda/device_memory.h"

#include <algorithm>
#include <utility>

namespace transept::kernels::cuda {

DeviceMemory::DeviceMemory(std::unique_ptr<Device> device, size_t limit)
    : device_(std::move(device)), left_(limit) {
  for (Piece& piece : pieces_) {
    device_->Check(cudaMallocHost(&piece.host, kPieceBytes), "allocating pinned memory");
    device_->Check(cudaEventCreateWithFlags(&piece.sent, cudaEventDisableTiming),
                   "creating an event");
  }
}

DeviceMemory::~DeviceMemory() {
  cudaStreamSynchronize(device_->stream());
  for (void* allocation : allocations_) cudaFree(allocation);
  for (Piece& piece : pieces_) {
    cudaEventDestroy(piece.sent);
    cudaFreeHost(piece.host);
  }
}

void* DeviceMemory::Allocate(size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  void* data = nullptr;
  if (!device_->ok() || bytes > left_) return nullptr;
  const cudaError_t result = cudaMalloc(&data, bytes);
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the caller's to report, and no lasting error
    return nullptr;
  }
  if (!device_->Check(result, "allocating memory")) return nullptr;
  left_ -= bytes;
  allocations_.push_back(data);
  device_->Check(cudaMemsetAsync(data, 0, bytes, device_->stream()), "clearing memory");
  return data;
}

void DeviceMemory::Write(void* destination, size_t bytes, const WriteSource& source) {
  char* const to = static_cast<char*>(destination);
  for (size_t begin = 0; begin < bytes; begin += kPieceBytes) {
    Piece& piece = pieces_[next_];
    next_ = 1 - next_;
    if (!device_->Check(cudaEventSynchronize(piece.sent), "writing to device memory")) return;
    const size_t count = std::min(kPieceBytes, bytes - begin);
    source(piece.host, begin, count);
    device_->Check(
        cudaMemcpyAsync(to + begin, piece.host, count, cudaMemcpyHostToDevice, device_->stream()),
        "writing to device memory");
    device_->Check(cudaEventRecord(piece.sent, device_->stream()), "recording an event");
  }
}

void DeviceMemory::Flush() {
  device_->Check(cudaStreamSynchronize(device_->stream()), "writing to device memory");
}

}  // namespace transept::kernels::cuda
