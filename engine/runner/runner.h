// Executes planned steps on a device.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/types/batch.h"

namespace transept {

// Names one launched step.
struct Ticket {
  uint64_t step = 0;
};

// Used by one thread. Steps run in the order of their launch; the caller collects each ticket once,
// in that order.
//
// An error of Launch or Collect ends all steps in flight: their tickets are void, and nothing that
// they wrote can be relied on. Later steps may still be launched, unless the error is UNAVAILABLE:
// the device is lost for good, and so is the runner.
class Runner {
 public:
  virtual ~Runner() = default;

  // Starts a step: encodes plan.encode, writes their cross K/V, then or meanwhile feeds plan.rows
  // and chooses a token for each. The plan may be gone once this returns. A runner that encodes
  // beside rows is given sources only if it has named those of all earlier steps but one.
  virtual absl::StatusOr<Ticket> Launch(const StepPlan& plan) = 0;

  // Waits for the step's rows, and for what it awaited, and returns what they chose.
  virtual absl::StatusOr<StepResult> Collect(Ticket ticket) = 0;

  // How many steps may be in flight while the next one is planned: 0 when Launch itself does the
  // work, 1 on a device that runs on its own.
  virtual int pipeline_depth() const = 0;

  // Whether sources are encoded while rows are fed, on a device that can do both at once: see
  // EncodeItem.
  virtual bool encodes_beside_rows() const = 0;
};

}  // namespace transept
