// A copy between the device and pinned host memory by a kernel: between other kernels it takes a
// fraction of the time in which the copy engine takes over and hands back.
#pragma once

#include <cstddef>

#include "kernels/cuda/device.h"

namespace transept::kernels::cuda {

// Either side may be pinned host memory; both are aligned to 4 bytes.
struct Transfer {
  void* to = nullptr;
  const void* from = nullptr;
  size_t bytes = 0;  // a multiple of 4
};

// Puts the copy, meant to be of some kilobytes, on the device's stream. Like every kernel it lets
// the next one start early: what that reads of it before it waits (launch.cuh) may be old.
void RunTransfer(const Transfer& transfer, Device& device);

}  // namespace transept::kernels::cuda
