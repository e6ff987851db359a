// The GPU's memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/memory.h"

namespace transept::kernels::cuda {

// Writes gather in pinned host memory and travel in large pieces on the device's stream, in order
// with the work launched on it afterwards. An error goes to the device.
class DeviceMemory final : public Memory {
 public:
  // Allocates `limit` bytes in all, and no more.
  DeviceMemory(std::unique_ptr<Device> device, size_t limit);
  ~DeviceMemory() override;

  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* Allocate(size_t bytes) override;
  void Write(void* destination, const void* host_source, size_t bytes) override;
  void Flush() override;

  Device* device() const { return device_.get(); }

 private:
  // A run of bytes on its way to contiguous device memory.
  struct Piece {
    char* host = nullptr;
    cudaEvent_t sent = nullptr;
  };
  static constexpr size_t kPieceBytes = size_t{16} << 20;

  void Send();

  const std::unique_ptr<Device> device_;
  size_t left_;
  std::vector<void*> allocations_;
  Piece pieces_[2];
  int current_ = 0;
  char* destination_ = nullptr;  // of the current piece
  size_t filled_ = 0;
};

}  // namespace transept::kernels::cuda
