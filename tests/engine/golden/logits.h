// What a runner's last step left in the model's logits, wherever that is.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/tensor.h"

namespace transept {

// The first `rows` rows; empty if they could not be read.
std::vector<std::vector<float>> ReadLogits(const kernels::Activations& logits, int64_t rows);

}  // namespace transept
