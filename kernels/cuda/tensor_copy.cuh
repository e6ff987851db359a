// Tiles of matrices that the copy engine brings to shared memory. For sm_90; the names of the PTX
// manual.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/cuda/copy_barrier.cuh"

namespace transept::kernels::cuda {

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
