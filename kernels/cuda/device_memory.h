// The GPU's memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/memory.h"

namespace transept::kernels::cuda {

// Writes go through two pieces of pinned host memory, one on its way while the other is filled, on
// the device's stream: in order with the work launched on it afterwards. An error goes to the
// device.
class DeviceMemory final : public Memory {
 public:
  // Allocates `limit` bytes in all, and no more.
  DeviceMemory(std::unique_ptr<Device> device, size_t limit);
  ~DeviceMemory() override;

  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* Allocate(size_t bytes) override;
  size_t left() const override { return left_; }
  void Write(void* destination, size_t bytes, const WriteSource& source) override;
  void Flush() override;

  Device* device() const { return device_.get(); }

 private:
  struct Piece {
    void* host = nullptr;
    cudaEvent_t sent = nullptr;
  };
  static constexpr size_t kPieceBytes = size_t{32} << 20;

  const std::unique_ptr<Device> device_;
  size_t left_;
  std::vector<void*> allocations_;
  Piece pieces_[2];
  int next_ = 0;  // of pieces_
};

}  // namespace transept::kernels::cuda
