// Memory of a device, set aside at start-up and kept until the end.
#pragma once

#include <cstddef>

namespace transept::kernels {

// Hands out memory that lives as long as this object. Not thread-safe.
class Memory {
 public:
  virtual ~Memory() = default;

  // At least `bytes` bytes, zeroed, aligned to 256 bytes; null when there is no more.
  virtual void* Allocate(size_t bytes) = 0;

  // Copies `bytes` bytes from host memory to memory that Allocate returned.
  virtual void Write(void* destination, const void* host_source, size_t bytes) = 0;

  // Waits until everything written has arrived. Call it before the memory is used.
  virtual void Flush() {}
};

}  // namespace transept::kernels
