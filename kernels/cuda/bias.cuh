// The bias that one head adds to its scores.
#pragma once

#include "kernels/cuda/bias.h"

namespace transept::kernels::cuda {

class HeadBias {
 public:
  __device__ HeadBias(const BiasByDistance& bias, int head)
      : center_(bias.values ? bias.values + head * (2 * bias.reach + 1) + bias.reach : nullptr),
        reach_(bias.reach) {}

  // `distance` = key position - query position.
  __device__ float operator()(int distance) const {
    return center_ ? __ldg(center_ + min(max(distance, -reach_), reach_)) : 0.0f;
  }

 private:
  const float* center_;
  int reach_;
};

}  // namespace transept::kernels::cuda
