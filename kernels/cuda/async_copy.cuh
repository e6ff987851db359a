// Copies from global to shared memory that run in the background.
#pragma once

#include <cstdint>

namespace transept::kernels::cuda {

// Starts copying 16 bytes past the first-level cache, zeros when `valid` is false.
__device__ inline void CopyAsync(void* shared, const void* global, bool valid) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}
// The same for one float.
__device__ inline void CopyFloatAsync(float* shared, const void* global, bool valid) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(global),
               "r"(valid ? 4 : 0)
               : "memory");
}
__device__ inline void CommitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most kPending groups of this thread's copies are under way.
template <int kPending>
__device__ inline void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// A ring of stages in shared memory through which the lanes of a warp stream memory. Each lane
// copies into slots of its own and reads them alone, so that nobody waits for anybody else.
template <typename Slot, int kSlotCount, int kStageCount>
class LaneRing {
 public:
  static constexpr int kStages = kStageCount;
  static constexpr int kBytes = kStages * kSlotCount * 32 * sizeof(Slot);  // of a warp

  // `shared`: of the warp, kBytes, aligned to 16.
  __device__ explicit LaneRing(void* shared)
      : slots_(static_cast<Slot*>(shared) + threadIdx.x % 32) {}

  // Starts filling a slot.
  __device__ void Fetch(int stage, int slot, const void* from) const {
    Slot* const to = At(stage, slot);
    if constexpr (sizeof(Slot) == 16) {
      CopyAsync(to, from, true);
    } else {  // what no background copy takes
      *to = *static_cast<const Slot*>(from);
    }
  }
  __device__ const Slot& Read(int stage, int slot) const { return *At(stage, slot); }

 private:
  __device__ Slot* At(int stage, int slot) const {
    return slots_ + (stage * kSlotCount + slot) * 32;
  }

  Slot* slots_;
};

}  // namespace transept::kernels::cuda
