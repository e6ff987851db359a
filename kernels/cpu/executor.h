// Runs a Program on the CPU, one operation after the other, all compute in float32.
#pragma once

#include "kernels/cpu/resources.h"
#include "kernels/cpu/step.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/inputs.h"
#include "kernels/observer.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu {

// Not thread-safe: one run at a time. All activations must be float32. A row's results do not
// depend, to the last bit, on the number of threads nor on what else is in the step (the
// processor's instruction set may change them). Scratch memory grows with the largest step seen and
// is kept: later steps do not allocate.
class Executor {
 public:
  // `pool` must outlive the executor.
  explicit Executor(ThreadPool* pool) : resources_(pool) {}

  void Run(const Program& program, const EncoderInputs& inputs) { Run(program, Step(inputs)); }
  void Run(const Program& program, const DecoderInputs& inputs) { Run(program, Step(inputs)); }

  // Null for none. Must outlive the runs that follow.
  void set_observer(Observer* observer) { observer_ = observer; }

 private:
  void Run(const Program& program, const Step& step);

  Resources resources_;
  Observer* observer_ = nullptr;
};

}  // namespace transept::kernels::cpu
