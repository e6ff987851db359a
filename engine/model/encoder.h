// The encoder as a list of operations.
#pragma once

#include <vector>

#include "engine/attention/encoder_only_attention.h"
#include "engine/model/layers.h"
#include "engine/model/weights.h"
#include "engine/types/model_spec.h"
#include "kernels/operation.h"

namespace transept {

// Embeds the packed sources, runs all layers, leaves the encoder output in buffers.normed, and
// writes its projection to the K/V of all decoder layers into `caches` through the cross slots.
// `cross_scratch` is [T, 2 kv].
kernels::Program BuildEncoder(const ModelSpec& spec, const ModelWeights& weights,
                              const EncoderOnlyAttention& attention, const StackBuffers& buffers,
                              const std::vector<kernels::PagedKv>& caches,
                              kernels::Activations cross_scratch);

}  // namespace transept
