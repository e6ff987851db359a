// Runs a Program on a GPU, one kernel or a few for each operation.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/cuda/fusion.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/persistent.h"
#include "kernels/cuda/plan_constants.h"
#include "kernels/cuda/weight_prefetch.h"
#include "kernels/inputs.h"
#include "kernels/observer.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Run returns when everything is launched on the device's stream; errors go to the device. Hidden
// states, residuals and logits are float32, all other activations of the weights' type. A row's
// results do not depend on the contents of other rows, but their last bits may on how many and how
// long these are, and on which algorithms were measured to be the fastest. Not thread-safe.
class Executor {
 public:
  // `device` must outlive the executor.
  explicit Executor(Device* device);
  ~Executor();

  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Makes what the operations need besides their parameters. The weights must be on the device, and
  // the program must outlive the executor.
  void Prepare(const Program& program);

  // While true, runs are there to warm up: what they write is not used, and matrix products of new
  // shapes are tried with several algorithms.
  void set_measuring(bool measuring) { resources_.blas.set_measuring(measuring); }

  // Programs that Prepare has seen. The inputs' arrays are in device memory. The K/V pages are not
  // written before `pages_free` has happened; null = at once.
  void Run(const Program& program, const EncoderInputs& inputs, cudaEvent_t pages_free = nullptr) {
    Run(program, Step(inputs, pages_free));
  }
  // `choice` says what becomes of the logits, where the program makes some: afterwards it has
  // summaries if the kernel that served has made them, else none. Null = all logits are written.
  void Run(const Program& program, const DecoderInputs& inputs, TokenChoice* choice = nullptr);

  // Whether steps may run as one kernel (persistent.h). They may at first.
  void set_persistent(bool persistent) { persistent_ = persistent; }
  // Whether a step with such inputs does, unless it is observed.
  bool IsPersistent(const Program& program, const DecoderInputs& inputs) const {
    return persistent_ && plans_.at(&program).persistent && PersistentDecoder::Serves(inputs);
  }

  // Whether steps fetch weights ahead where they can (weight_prefetch.h). They do not at first, and
  // not while they are observed.
  void set_prefetching(bool prefetching) { prefetching_ = prefetching; }
  // Whether a step of so many rows, one token each, can.
  bool CanPrefetch(const Program& program, int64_t rows) const {
    return plans_.at(&program).prefetch->Serves(rows);
  }

  // Null for none. Must outlive the runs that follow. Norms that their neighbours took over are not
  // reported.
  void set_observer(Observer* observer) { observer_ = observer; }

 private:
  struct Plan {
    std::vector<PlannedOperation> operations;
    std::unique_ptr<PlanConstants> constants;  // of the operations
    std::unique_ptr<WeightPrefetch> prefetch;
    std::unique_ptr<PersistentDecoder> persistent;  // null where there is none
  };

  void Run(const Program& program, const Step& step);

  Resources resources_;
  std::map<const Program*, Plan> plans_;
  Observer* observer_ = nullptr;
  bool persistent_ = true;
  bool prefetching_ = false;
};

}  // namespace transept::kernels::cuda
