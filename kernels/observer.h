// Watches a program run, for timing.
#pragma once

#include "kernels/operation.h"

namespace transept::kernels {

// Told before and after every operation of a run, on the thread that runs it. On a GPU that is
// before and after its kernels are put on the device's stream.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void Begin(const Operation& operation) = 0;
  virtual void End(const Operation& operation) = 0;
};

}  // namespace transept::kernels
