#include <cuda_runtime.h>

#include "tests/engine/golden/logits.h"

namespace transept {

std::vector<std::vector<float>> ReadLogits(const kernels::Activations& logits, int64_t rows) {
  std::vector<std::vector<float>> all(rows, std::vector<float>(logits.width));
  for (int64_t row = 0; row < rows; ++row) {
    const float* first = static_cast<const float*>(logits.data) + row * logits.stride;
    if (cudaMemcpy(all[row].data(), first, logits.width * sizeof(float), cudaMemcpyDeviceToHost) !=
        cudaSuccess) {
      return {};
    }
  }
  return all;
}

}  // namespace transept
