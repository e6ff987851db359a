// A model's weights in device memory, in the layout that the operations want: projections that are
// applied to the same input are stacked into one matrix.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/checkpoint/checkpoint.h"
#include "kernels/memory.h"
#include "kernels/tensor.h"

namespace transept {

// One layer of either stack; members that a stack does not have are empty.
struct LayerWeights {
  kernels::Vector self_norm;
  kernels::Matrix self_qkv;              // [inner + 2 kv, d_model]: q, k, v
  kernels::Matrix self_out;              // [d_model, inner]
  const float* relative_bias = nullptr;  // [num_buckets, num_heads], shared or the layer's own

  kernels::Vector cross_norm;
  kernels::Matrix cross_query;  // [inner, d_model]
  kernels::Matrix cross_out;    // [d_model, inner]

  kernels::Vector ffn_norm;
  kernels::Matrix ffn_in;   // [ffn, d_model], or [2 ffn, d_model]: gate, up
  kernels::Matrix ffn_out;  // [d_model, ffn]
};

struct ModelWeights {
  kernels::Matrix embedding;  // [vocab, d_model]
  kernels::Matrix output;     // [vocab, d_model]; the embedding itself when tied
  kernels::Vector encoder_norm;
  kernels::Vector decoder_norm;
  std::vector<LayerWeights> encoder;
  std::vector<LayerWeights> decoder;
  kernels::Matrix cross_kv;  // [decoder layers * 2 kv, d_model]: layer-major, K then V
};

// Copies the checkpoint's tensors to `memory`, matrices as `dtype`, vectors and bias tables as
// float32. RESOURCE_EXHAUSTED when the memory ends; a missing, misshapen or non-finite tensor is an
// error that names it.
absl::StatusOr<ModelWeights> LoadWeights(const Checkpoint& checkpoint, kernels::DataType dtype,
                                         kernels::Memory* memory);

}  // namespace transept
