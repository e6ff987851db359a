#include "kernels/cpu/host_memory.h"

#include <sys/mman.h>

namespace transept::kernels::cpu {

constexpr size_t kHugePage = size_t{2} << 20;

HostMemory::~HostMemory() {
  for (const Mapping& mapping : mappings_) munmap(mapping.address, mapping.bytes);
}

void* HostMemory::Allocate(size_t bytes) {
  if (bytes == 0) bytes = 1;
  if (bytes > left_) return nullptr;
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  if (bytes >= kHugePage) madvise(address, bytes, MADV_HUGEPAGE);
  left_ -= bytes;
  mappings_.push_back({address, bytes});
  return address;
}

void HostMemory::Write(void* destination, size_t bytes, const WriteSource& source) {
  source(destination, 0, bytes);
}

}  // namespace transept::kernels::cpu
