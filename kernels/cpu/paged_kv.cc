#include "kernels/cpu/paged_kv.h"

#include "kernels/cpu/simd/rows.h"

namespace transept::kernels::cpu {

void WriteSlot(const PagedKv& cache, int64_t slot, const float* keys, const float* values) {
  for (int64_t head = 0; head < cache.num_kv_heads; ++head) {
    const int64_t byte = SlotOffset(cache, slot, head) * SizeOf(cache.dtype);
    const int64_t column = head * cache.head_size;
    Write(keys + column, cache.head_size, cache.dtype, static_cast<char*>(cache.keys) + byte);
    Write(values + column, cache.head_size, cache.dtype, static_cast<char*>(cache.values) + byte);
  }
}

}  // namespace transept::kernels::cpu
