// Tiles of matrices that the copy engine brings to shared memory, and the barriers that say when.
// For sm_90a; the names of the PTX manual.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace transept::kernels::cuda {

__device__ inline uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
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

// Where a thread is in a ring of stages, and the parity of this round's phases.
template <int kStages>
struct RingPosition {
  int stage = 0;
  uint32_t parity = 0;

  __device__ void Advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

// Starts copying the tile at (row, column) to `shared`, which is aligned to 1024 bytes.
__device__ inline void CopyTile(void* shared, const CUtensorMap& map, int row, int column,
                                CopyBarrier* done) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(SharedAddress(shared)),
      "l"(&map), "r"(column), "r"(row), "r"(SharedAddress(done))
      : "memory");
}

}  // namespace transept::kernels::cuda
