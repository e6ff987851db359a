// A whole decoder step of few rows as one kernel.
#pragma once

#include <memory>

#include "kernels/cuda/bias_tables.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/persistent_plan.h"
#include "kernels/inputs.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// One block a multiprocessor walks the list of operations. Blocks wait for each other's results
// (persistent_exchange.cuh) and have the weights of later operations read meanwhile
// (persistent_weights.cuh). Results are those of the operations one by one, but for the order of
// sums. Buffers between the operations are not written, only caches and logits.
// Used by one thread.
class PersistentDecoder {
 public:
  // Null where the kernel does not serve `program` (persistent_plan.h), or on GPUs where it was
  // never the faster: it was on compute capability 9.0, for some models. The weights and `biases`
  // must be ready and outlive the decoder, as must `device`, which receives errors.
  static std::unique_ptr<PersistentDecoder> Create(const Program& program, const BiasTables& biases,
                                                   Device* device);
  ~PersistentDecoder();

  PersistentDecoder(const PersistentDecoder&) = delete;
  PersistentDecoder& operator=(const PersistentDecoder&) = delete;

  // Whether it serves a step like this: one row, one token, no beams.
  static bool Serves(const DecoderInputs& inputs);

  // Puts the step on the device's stream; may be recorded in a graph.
  void Run(const DecoderInputs& inputs);

 private:
  explicit PersistentDecoder(Device* device) : device_(*device) {}
  void Upload(const PersistentPlan& plan);

  Device& device_;
  Task* tasks_ = nullptr;
  int num_tasks_ = 0;
  void* words_ = nullptr;
  uint32_t* epochs_ = nullptr;  // [blocks] the last task of the step before, the same everywhere
};

}  // namespace transept::kernels::cuda
