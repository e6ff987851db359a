// Which operations of a program run as one.
#pragma once

#include <vector>

#include "kernels/cuda/split_norm.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// An operation and the norms next to it that it takes over when a step has few rows. `absorbed`:
// this is such a norm, which those around it have taken.
struct PlannedOperation {
  const Operation* operation = nullptr;
  NormNeighbours norms;
  bool absorbed = false;
  // The bias of a linear layer in bfloat16, with its padding, if its results are of that type.
  // PlanFusion leaves it null.
  const void* half_bias = nullptr;
};

// A norm of the residual stream is split where the operation in front of it writes what it reads,
// the one behind is a linear layer that reads what it writes, and products of few rows serve both
// in bfloat16 (in float16 what is not normalised yet could overflow). Nobody else may read such a
// norm's output; kernels/operation.h promises that. Where the norm's result becomes the stream, the
// linear layer that adds to it next works it out again, element by element. `program` must outlive
// the plan.
std::vector<PlannedOperation> PlanFusion(const Program& program);

}  // namespace transept::kernels::cuda
