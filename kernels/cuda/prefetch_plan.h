// Which weights are fetched ahead of the products that read them (weight_prefetch.h).
#pragma once

#include <cstdint>
#include <map>

#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Some weights.
struct WeightList {
  static constexpr int kMost = 4;
  struct Range {
    const char* data;
    int64_t bytes;
  };
  Range ranges[kMost] = {};
  int count = 0;
};

// What is fetched behind which operation of a program, and in which steps. The program must outlive
// it.
struct PrefetchPlan {
  std::map<const Operation*, WeightList> behind;
  int64_t few_rows = 0;  // up to so many: those that are few for all products of the layers
};

// Empty where a layer's weights would fill most of the cache, and where there are no layers.
PrefetchPlan PlanPrefetch(const Program& program, int multiprocessors);

}  // namespace transept::kernels::cuda
