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

struct LinearWeights {
  kernels::Matrix weight;
  kernels::Vector bias;  // empty in a model without biases
};

struct NormWeights {
  kernels::Vector weight;
  kernels::Vector bias;  // empty in a model without biases
};

// One layer of either stack; members that a stack does not have are empty. LayerTensorNames says
// which norm is which.
struct LayerWeights {
  NormWeights self_norm;
  LinearWeights self_qkv;                // [inner + 2 kv, d_model]: q, k, v
  LinearWeights self_out;                // [d_model, inner]
  const float* relative_bias = nullptr;  // [num_buckets, num_heads], shared or the layer's own

  NormWeights cross_norm;
  LinearWeights cross_query;  // [inner, d_model]
  LinearWeights cross_out;    // [d_model, inner]

  NormWeights ffn_norm;
  LinearWeights ffn_in;   // [ffn, d_model], or [2 ffn, d_model]: gate, up
  LinearWeights ffn_out;  // [d_model, ffn]
};

struct StackWeights {
  kernels::Matrix embedding;  // [vocab, d_model], perhaps the other stack's
  kernels::Matrix positions;  // [offset + max positions, d_model] float32, or empty
  NormWeights embedding_norm;
  std::vector<LayerWeights> layers;
  NormWeights norm;
};

struct ModelWeights {
  StackWeights encoder;
  StackWeights decoder;
  LinearWeights cross_kv;  // [decoder layers * 2 kv, d_model]: layer-major, K then V
  LinearWeights output;    // [vocab, d_model]; the decoder's embedding when tied
};

// Copies the checkpoint's tensors to `memory`, matrices as `dtype` (int8: to a CPU's memory alone),
// vectors and tables of positions and biases as float32. RESOURCE_EXHAUSTED when the memory ends; a
// missing, misshapen or non-finite tensor is an error that names it.
absl::StatusOr<ModelWeights> LoadWeights(const Checkpoint& checkpoint, kernels::DataType dtype,
                                         kernels::Memory* memory);

}  // namespace transept
