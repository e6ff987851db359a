// What tells threads that the copy engine has brought something to shared memory, or that others
// are done with it: mbarrier of the PTX manual, from sm_90 on.
#pragma once

#include <cstdint>

namespace transept::kernels::cuda {

__device__ inline uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Whether a phase of this parity of the barrier at a shared address is over; waits a moment for it.
__device__ inline bool IsOver(uint32_t barrier, uint32_t parity) {
  uint32_t over;
  asm volatile(
      "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; "
      "selp.b32 %0, 1, 0, p; }"
      : "=r"(over)
      : "r"(barrier), "r"(parity)
      : "memory");
  return over != 0;
}

// An mbarrier in shared memory.
struct CopyBarrier {
  uint64_t state;

  // By one thread; FenceBarriers and a barrier of the block follow.
  __device__ void Init(uint32_t arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(SharedAddress(this)),
                 "r"(arrivals));
  }
  __device__ void Arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(SharedAddress(this)) : "memory");
  }
  // Arrives, and has the phase last until so many bytes have come as well.
  __device__ void ArriveExpecting(uint32_t bytes) {
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(SharedAddress(this)),
        "r"(bytes)
        : "memory");
  }
  // Returns when the phase of this parity has ended.
  __device__ void Wait(uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra ended;\n"
        "bra again;\n"
        "ended:\n"
        "}" ::"r"(SharedAddress(this)),
        "r"(parity)
        : "memory");
  }
};

// Makes initialised barriers visible to the copy engine.
__device__ inline void FenceBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

}  // namespace transept::kernels::cuda
