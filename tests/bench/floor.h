// What no kernel can surpass, for one thread.
#pragma once

#include <cstdint>

namespace transept::kernels::cpu {

// Reads `count` floats once, in order; the sum keeps the compiler honest. `count` is a multiple
// of 128.
float ReadStream(const float* from, int64_t count);

// Performs `times` rounds of independent multiply-adds in registers, as many as hide their latency.
float MultiplyAdd(int64_t times);

// Floating-point operations of one round.
int64_t OperationsPerRound();

}  // namespace transept::kernels::cpu
