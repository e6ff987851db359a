// The activation functions.
#pragma once

#include "kernels/operation.h"

namespace transept::kernels::cuda {

__device__ inline float Activate(ActivationFunction function, float x) {
  switch (function) {
    case ActivationFunction::kNone: return x;
    case ActivationFunction::kRelu: return fmaxf(x, 0.0f);
    case ActivationFunction::kGelu: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case ActivationFunction::kGeluTanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case ActivationFunction::kSilu: return x / (1.0f + expf(-x));
  }
  return x;
}

}  // namespace transept::kernels::cuda
