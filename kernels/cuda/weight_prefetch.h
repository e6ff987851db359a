// The weights of a decoder's layers on their way to the second-level cache, ahead of the products
// that read them.
//
// In a step of some tens of rows memory is idle most of the time: products wait for their inputs,
// and attention has little to read. So beside a step's kernels, on a branch of the recorded graph,
// small ones have the copy engine fetch what products behind will read. One begins as soon as a
// layer's QKV is there, and fetches the weights of the next four products; one when the query of
// cross-attention is, for the two behind those. They end when the weights are there, and nobody
// waits for that but the end of the step. Whether it pays is for the caller to measure: each such
// kernel costs those beside it a microsecond.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/cuda/prefetch_plan.h"

namespace transept::kernels::cuda {

// Puts what a plan says beside the kernels on a device's stream. Not thread-safe.
class WeightPrefetch {
 public:
  // `device` must outlive this object, and receives errors.
  WeightPrefetch(PrefetchPlan plan, Device* device);
  ~WeightPrefetch();

  WeightPrefetch(const WeightPrefetch&) = delete;
  WeightPrefetch& operator=(const WeightPrefetch&) = delete;

  // Whether there is something to fetch in a step of so many rows, for it to be worth a try.
  bool Serves(int64_t rows) const;
  // After `operation` has been launched.
  void Behind(const Operation& operation);
  // At the end of a step: what follows on the device's stream waits for the branch, as a recorded
  // graph must.
  void Join();

 private:
  const PrefetchPlan plan_;
  Device& device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t launched_ = nullptr;
  cudaEvent_t fetched_ = nullptr;
  bool forked_ = false;
};

}  // namespace transept::kernels::cuda
