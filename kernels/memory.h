// Memory of a device, set aside at start-up and kept until the end.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>

namespace transept::kernels {

// Puts bytes [begin, begin + bytes) of what is being written to host memory at `out`.
using WriteSource = std::function<void(void* out, size_t begin, size_t bytes)>;

// Hands out memory that lives as long as this object. Not thread-safe.
class Memory {
 public:
  virtual ~Memory() = default;

  // At least `bytes` bytes, zeroed, aligned to 256 bytes; null when there is no more.
  virtual void* Allocate(size_t bytes) = 0;

  // How many bytes Allocate can still hand out; less by what alignment takes.
  virtual size_t left() const = 0;

  // Writes `bytes` bytes to memory that Allocate returned. Calls `source` for one piece after the
  // other, without gaps, each beginning at a multiple of 256 bytes, until all have been asked for
  // or the device has failed.
  virtual void Write(void* destination, size_t bytes, const WriteSource& source) = 0;

  // The same for bytes that lie in host memory.
  void Copy(void* destination, const void* host_source, size_t bytes) {
    const char* const from = static_cast<const char*>(host_source);
    Write(destination, bytes,
          [from](void* out, size_t begin, size_t count) { std::memcpy(out, from + begin, count); });
  }

  // Waits until everything written has arrived. Call it before the memory is used.
  virtual void Flush() {}
};

}  // namespace transept::kernels
