// Which operations of a program run as one.
#pragma once

#include <vector>

#include "kernels/cuda/split_norm.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// An operation and the norms next to it that it takes over when a step has few rows.
struct PlannedOperation {
  const Operation* operation = nullptr;
  NormNeighbours norms;
  // Of a norm: up to so many rows those around it take it over. Of a gather: any number, if the
  // norm behind it reads for itself.
  int64_t absorbed_rows = 0;
  // Of a norm: it reads the rows that this would gather where they lie.
  const GatherRowsOp* gather = nullptr;
  // The bias of a linear layer in bfloat16, with its padding, if its results are of that type.
  // PlanFusion leaves it null.
  const void* half_bias = nullptr;
};

// A norm of the residual stream is split where the operation in front of it writes what it reads,
// the one behind is a linear layer that reads what it writes, and products of few rows serve both
// in bfloat16 (in float16 what is not normalised yet could overflow). Nobody else may read such a
// norm's output; kernels/operation.h promises that. Where the norm's result becomes the stream, the
// linear layer that adds to it next works it out again, element by element. How many rows are few
// is what the products around it say, for a GPU of so many multiprocessors. A norm behind a gather
// reads the rows where they lie. `program` must outlive the plan.
std::vector<PlannedOperation> PlanFusion(const Program& program, int multiprocessors);

}  // namespace transept::kernels::cuda
