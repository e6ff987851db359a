// A GPU that fails in earnest.
#pragma once

namespace transept {

// Has a kernel trap, after which every CUDA call of this process fails.
void LoseDevice();

}  // namespace transept
