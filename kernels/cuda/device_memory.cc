#include "kernels/cuda/device_memory.h"

#include <algorithm>
#include <cstring>
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
  if (filled_ > 0) Send();  // a piece must not run on into a neighbouring allocation
  bytes = std::max<size_t>(bytes, 1);
  void* data = nullptr;
  if (!device_->ok() || bytes > left_ || cudaMalloc(&data, bytes) != cudaSuccess) {
    cudaGetLastError();  // running out of memory is the caller's to report, and no lasting error
    return nullptr;
  }
  left_ -= bytes;
  allocations_.push_back(data);
  device_->Check(cudaMemsetAsync(data, 0, bytes, device_->stream()), "clearing memory");
  return data;
}

void DeviceMemory::Write(void* destination, const void* host_source, size_t bytes) {
  char* to = static_cast<char*>(destination);
  const char* from = static_cast<const char*>(host_source);
  while (bytes > 0 && device_->ok()) {
    if (filled_ > 0 && (to != destination_ + filled_ || filled_ == kPieceBytes)) Send();
    if (filled_ == 0) destination_ = to;
    const size_t count = std::min(bytes, kPieceBytes - filled_);
    std::memcpy(pieces_[current_].host + filled_, from, count);
    filled_ += count;
    to += count;
    from += count;
    bytes -= count;
  }
}

void DeviceMemory::Flush() {
  if (filled_ > 0 && device_->ok()) Send();
  device_->Check(cudaStreamSynchronize(device_->stream()), "writing to device memory");
}

void DeviceMemory::Send() {
  Piece& piece = pieces_[current_];
  device_->Check(
      cudaMemcpyAsync(destination_, piece.host, filled_, cudaMemcpyHostToDevice, device_->stream()),
      "writing to device memory");
  device_->Check(cudaEventRecord(piece.sent, device_->stream()), "recording an event");
  current_ = 1 - current_;
  filled_ = 0;
  device_->Check(cudaEventSynchronize(pieces_[current_].sent), "writing to device memory");
}

}  // namespace transept::kernels::cuda
