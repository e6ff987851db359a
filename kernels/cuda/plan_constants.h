// What is worked out of a program's weights once, when it is prepared.
#pragma once

#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/cuda/fusion.h"

namespace transept::kernels::cuda {

// Owns the memory of PlannedOperation::half_bias and NormNeighbours::folded. Not thread-safe.
class PlanConstants {
 public:
  // Puts the work on the device's stream. The weights must be on the device, which must outlive
  // this object and receives errors.
  PlanConstants(std::vector<PlannedOperation>* plan, Device* device);
  ~PlanConstants();

  PlanConstants(const PlanConstants&) = delete;
  PlanConstants& operator=(const PlanConstants&) = delete;

 private:
  void* memory_ = nullptr;
};

}  // namespace transept::kernels::cuda
