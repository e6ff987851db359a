// Which operations of a program run as one.
#pragma once

#include <vector>

#include "kernels/cuda/operations.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// An operation and the norms next to it that it takes over when a step has few rows. `absorbed`:
// this is such a norm, both neighbours of which took a half.
struct PlannedOperation {
  const Operation* operation = nullptr;
  NormNeighbours norms;
  bool absorbed = false;
};

// An RMS norm of the residual stream is split where the operation in front of it writes what it
// reads, the one behind is a linear layer that reads what it writes, and products of few rows serve
// both in bfloat16 (in float16 what is not normalised yet could overflow). Nobody else may read
// such a norm's output; kernels/operation.h promises that. `program` must outlive the plan.
std::vector<PlannedOperation> PlanFusion(const Program& program);

}  // namespace transept::kernels::cuda
