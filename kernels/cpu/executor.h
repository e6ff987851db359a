// Runs a Program on the CPU, one operation after the other, all compute in float32.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/inputs.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu {

// Not thread-safe: one run at a time. Results do not depend on the number of threads, nor on which
// other tokens share the batch beyond float32 rounding.
class Executor {
 public:
  // `pool` must outlive the executor.
  explicit Executor(ThreadPool* pool) : pool_(*pool) {}

  void Run(const Program& program, const EncoderInputs& inputs);
  void Run(const Program& program, const DecoderInputs& inputs);

 private:
  ThreadPool& pool_;
};

}  // namespace transept::kernels::cpu
