// The CPU's memory.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/memory.h"

namespace transept::kernels::cpu {

// Pages become resident when they are first written. Large allocations ask for huge pages, which
// weight streaming profits from.
class HostMemory final : public Memory {
 public:
  HostMemory() = default;
  ~HostMemory() override;

  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  void* Allocate(size_t bytes) override;
  void Write(void* destination, const void* host_source, size_t bytes) override;

 private:
  struct Mapping {
    void* address;
    size_t bytes;
  };
  std::vector<Mapping> mappings_;
};

}  // namespace transept::kernels::cpu
