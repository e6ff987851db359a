// A copy between the device and pinned host memory by a kernel: between other kernels it takes a
// fraction of the time in which the copy engine takes over and hands back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device.h"

namespace transept::kernels::cuda {

// A table of 4-byte words, whose rows, next to each other at `from`, are laid `stride` words apart.
struct TableTransfer {
  int32_t* to = nullptr;
  const int32_t* from = nullptr;
  int32_t rows = 0;
  int32_t columns = 0;
  int64_t stride = 0;
};

// Either side may be pinned host memory; both are aligned to 4 bytes.
struct Transfer {
  void* to = nullptr;
  const void* from = nullptr;
  size_t bytes = 0;  // a multiple of 4
  TableTransfer tables[2] = {};
};

// Puts the copy, meant to be of some kilobytes, on the device's stream. Like every kernel it lets
// the next one start early: what that reads of it before it waits (launch.cuh) may be old.
void RunTransfer(const Transfer& transfer, Device& device);

}  // namespace transept::kernels::cuda
