#include "tests/engine/core/lose_device.h"

namespace transept {
namespace {

__global__ void Trap() {
  asm volatile("trap;");
}

}  // namespace

void LoseDevice() {
  Trap<<<1, 1>>>();
  cudaDeviceSynchronize();
}

}  // namespace transept
