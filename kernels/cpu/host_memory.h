// The CPU's memory.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/memory.h"

namespace transept::kernels::cpu {

// Pages become resident when they are first written, so the limit is what keeps allocations within
// what the machine can hold. Large allocations ask for huge pages, which weight streaming profits
// from.
class HostMemory final : public Memory {
 public:
  // Allocates `limit` bytes in all, and no more.
  explicit HostMemory(size_t limit) : left_(limit) {}
  ~HostMemory() override;

  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  void* Allocate(size_t bytes) override;
  size_t left() const override { return left_; }
  void Write(void* destination, size_t bytes, const WriteSource& source) override;

 private:
  struct Mapping {
    void* address;
    size_t bytes;
  };
  size_t left_;
  std::vector<Mapping> mappings_;
};

}  // namespace transept::kernels::cpu
