// A checkpoint without files: pseudo-random weights of a given shape, for benchmarks and tests.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/checkpoint/checkpoint.h"
#include "engine/types/model_spec.h"
#include "kernels/dtype.h"

namespace transept {

// A checkpoint of architecture `spec`, whose family must be one that exists. Its tensors have the
// scale of freshly initialised ones, so that activations stay finite through all layers. Equal
// arguments give equal tensors. Each is made when it is asked for, in whatever shape, and freed
// with its view: the checkpoint itself holds no weights.
std::unique_ptr<Checkpoint> RandomCheckpoint(ModelSpec spec, kernels::DataType dtype,
                                             uint64_t seed);

}  // namespace transept
