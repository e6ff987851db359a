// The one way in which kernels are launched.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda/device.h"

namespace transept::kernels::cuda {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
};

// Launches `kernel` on the device's stream. Programmatic dependent launch: the kernel may start
// before the one in front of it on the stream has ended, so it must call WaitForPredecessor before
// it reads or writes anything but weights, the step's inputs and what earlier steps left: in
// caches, and in the ancestry of the positions in front of those that the step feeds (no kernel of
// the step writes these before the choice of tokens, and none overtakes the copy of the inputs in
// front of it). Nor may it end before the one in front: one block at least must call it. An empty
// grid launches nothing.
template <typename... Parameters, typename... Arguments>
void Launch(Device& device, const char* name, const LaunchShape& shape,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (!device.ok() || shape.grid.x * shape.grid.y * shape.grid.z == 0) return;
  device.ReserveShared(reinterpret_cast<const void*>(kernel), shape.shared_bytes);
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = device.stream();
  config.attrs = &early;
  config.numAttrs = 1;
  device.Check(
      cudaLaunchKernelEx(&config, kernel, Parameters(std::forward<Arguments>(arguments))...), name);
}

// Allows the next kernel on the stream to be launched as soon as there is room for it.
__device__ inline void LetSuccessorStart() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// Has `value` worked out here. The compiler would rather do so where it is used; but before
// WaitForPredecessor there is time, and behind it there is none.
template <typename T>
__device__ inline void WorkOutHere(T*& value) {
  asm volatile("" : "+l"(value));
}
__device__ inline void WorkOutHere(int& value) {
  asm volatile("" : "+r"(value));
}

// Returns when all kernels in front of this one have ended and their writes are visible.
__device__ inline void WaitForPredecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace transept::kernels::cuda
