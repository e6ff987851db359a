// Weights on their way to the warps of the persistent kernel.
#pragma once

#include "kernels/cuda/persistent_block.cuh"

namespace transept::kernels::cuda {

// The block's strips of all products' weights pass, one after the other, through a ring of bytes in
// shared memory. A warp of its own has the copy engine fill it as far ahead as there is room, so
// that memory is read on while the others wait for their input. A strip is 8 rows of the weight, as
// they lie in memory.

// The rare rest of WaitFor: a function of its own, so that the kernel's registers are not its.
__device__ __noinline__ inline void WaitLong(uint32_t barrier, uint32_t phase) {
  const int64_t start = clock64();
  while (!IsOver(barrier, phase & 1)) {
    if (clock64() - start > kLongestWait) __trap();
  }
}

// Waits until phase `phase` of a barrier is over.
__device__ inline void WaitFor(const CopyBarrier* barrier, uint32_t phase) {
  const uint32_t address = SharedAddress(barrier);
  if (!IsOver(address, phase & 1)) WaitLong(address, phase);
}

__device__ inline void InitializeRing() {
  for (int i = 0; i < kRingStrips; ++i) {
    Shared().full[i].Init(1);
    Shared().empty[i].Init(kPersistentWarps);
  }
  FenceBarriers();
  asm volatile("fence.proxy.async;" ::: "memory");
}

// Fills the ring until every strip has been in it. Called by one thread.
class WeightFiller {
 public:
  __device__ void Run(int num_tasks) {
    for (int i = 0; i < num_tasks; ++i) {
      const Task& task = Shared().tasks[i];
      if (task.kind != TaskKind::kProduct) continue;
      const uint32_t row_bytes = task.product.depth * sizeof(BFloat16);
      for (int strip = 0; strip < Shared().strips[i]; ++strip) {
        const bool gated = task.product.gated;
        const int feature = FeatureOf(strip, gated);
        const uint32_t bytes = min(kStrip, task.features - feature) * row_bytes;
        const int row = gated && strip % 2 == 1 ? feature + task.features : feature;
        MakeRoom(kStrip * row_bytes);
        Copy(static_cast<const char*>(task.product.weight) + int64_t{row} * row_bytes, bytes,
             kStrip * row_bytes);
      }
    }
  }

 private:
  // Waits until the readers have left so many bytes, and a barrier.
  __device__ void MakeRoom(uint32_t bytes) {
    while (used_ + bytes > kRingBytes || written_ - released_ == kRingStrips) {
      const uint32_t slot = released_ % kRingStrips;
      WaitFor(Shared().empty + slot, released_ / kRingStrips);
      used_ -= Shared().strip_bytes[slot];
      ++released_;
    }
  }
  // Copies a strip of `bytes` bytes to where `room` bytes are its own.
  __device__ void Copy(const char* from, uint32_t bytes, uint32_t room) {
    const uint32_t slot = written_ % kRingStrips;
    CopyBarrier* const full = Shared().full + slot;
    full->ArriveExpecting(bytes);
    const uint32_t first = min(bytes, kRingBytes - at_);
    CopyBulk(Shared().ring + at_, from, first, full);
    if (first < bytes) CopyBulk(Shared().ring, from + first, bytes - first, full);
    Shared().strip_bytes[slot] = room;
    used_ += room;
    at_ = (at_ + room) % kRingBytes;
    ++written_;
  }
  __device__ static void CopyBulk(char* to, const char* from, uint32_t bytes,
                                  CopyBarrier* barrier) {
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(SharedAddress(to)),
        "l"(from), "r"(bytes), "r"(SharedAddress(barrier))
        : "memory");
  }

  uint32_t at_ = 0;
  uint32_t used_ = 0;
  uint32_t written_ = 0;   // strips
  uint32_t released_ = 0;  // strips
};

// The same strips as the other warps read them.
class WeightReader {
 public:
  // Waits until the next strip is there. It starts at start() bytes of the ring.
  __device__ void Begin() const {
    WaitFor(Shared().full + read_ % kRingStrips, read_ / kRingStrips);
  }
  // 16 bytes at `offset` of the strip.
  __device__ uint4 Read(uint32_t offset) const {
    uint32_t at = at_ + offset;
    if (at >= kRingBytes) at -= kRingBytes;
    return *reinterpret_cast<const uint4*>(Shared().ring + at);
  }
  // Goes on to the next strip. All lanes of the warp call it.
  __device__ void End(uint32_t strip_bytes) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) Shared().empty[read_ % kRingStrips].Arrive();
    at_ += strip_bytes;
    if (at_ >= kRingBytes) at_ -= kRingBytes;
    ++read_;
  }

 private:
  uint32_t at_ = 0;
  uint32_t read_ = 0;
};

}  // namespace transept::kernels::cuda
