#include "tests/engine/golden/logits.h"

namespace transept {

std::vector<std::vector<float>> ReadLogits(const kernels::Activations& logits, int64_t rows) {
  std::vector<std::vector<float>> all;
  for (int64_t row = 0; row < rows; ++row) {
    const float* first = static_cast<const float*>(logits.data) + row * logits.stride;
    all.emplace_back(first, first + logits.width);
  }
  return all;
}

}  // namespace transept
