// The encoder as a list of operations.
#pragma once

#include <vector>

#include "engine/attention/encoder_only_attention.h"
#include "engine/model/layers.h"
#include "engine/model/weights.h"
#include "engine/types/model_spec.h"
#include "kernels/operation.h"

namespace transept {

// Where the projection to cross K/V lies before it is scattered.
struct CrossScratch {
  kernels::Activations data;  // [rows, 2 kv]
  int64_t rows = 0;           // T at least
};

// Embeds the packed sources, runs all layers, leaves the encoder output in buffers.normed, and
// writes its projection to the K/V of all decoder layers into `caches` through the cross slots.
kernels::Program BuildEncoder(const ModelSpec& spec, const ModelWeights& weights,
                              const EncoderOnlyAttention& attention, const StackBuffers& buffers,
                              const std::vector<kernels::PagedKv>& caches,
                              const CrossScratch& cross_scratch);

}  // namespace transept
