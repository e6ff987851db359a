// A timeline of a run, in the trace event format that ui.perfetto.dev and chrome://tracing open.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/runner/runner.h"
#include "engine/types/clock.h"

namespace transept::bench {

enum class Track : int {
  kHost,               // what the engine thread does with its runner
  kDevice,             // steps
  kEncoder,            // sources, where they are encoded beside the rows
  kEncoderOperations,  // one encoder batch, operation by operation, measured apart
  kDecoderOperations,  // one decoder step, likewise
};

// Not thread-safe. Times are microseconds from its making.
class Timeline {
 public:
  Timeline();

  double At(TimePoint time) const;
  // Bars of one track must not overlap. `details` is an object, or null.
  void Add(Track track, std::string name, double begin, double duration,
           nlohmann::json details = nullptr);
  absl::Status Write(const std::string& path) const;

 private:
  const TimePoint start_;
  std::vector<nlohmann::json> events_;
};

// A runner that notes each Launch, Collect and step of `runner` on `timeline`, which must outlive
// it and is the runner's thread's until it is gone.
//
// A step's bar, or the encoder's, is as long as the device says, and ends where the Collect
// returned that brought it: later than the step itself if Collect found it ended. What lies between
// the host's bars is scheduling, delivery, and waiting for requests.
std::unique_ptr<Runner> TraceRunner(std::unique_ptr<Runner> runner, Timeline* timeline);

}  // namespace transept::bench
