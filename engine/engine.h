// The engine's public interface: one model instance that works for many requests at once. Start
// here.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "config/config.h"
#include "engine/types/engine_info.h"
#include "engine/types/model_spec.h"
#include "engine/types/request.h"
#include "engine/types/result.h"
#include "engine/types/stats.h"

namespace transept {

class Checkpoint;
class Tokenizer;

// Thread-safe. All work happens on one engine thread (and the kernels' pool under it); no method
// but Drain waits for it.
class Engine {
 public:
  // Loads the weights of `checkpoint` and starts the engine thread. On failure nothing is left
  // behind. The checkpoint need not outlive the call. `tokenizer` is needed for stop sequences only
  // and may be null.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const config::EngineConfig& config,
                                                        const Checkpoint& checkpoint,
                                                        std::shared_ptr<const Tokenizer> tokenizer);
  virtual ~Engine() = default;  // fails what is still running with CANCELLED

  // Queues a request, of any kind. Errors leave `sink` uncalled: INVALID_ARGUMENT (FieldError) for
  // an empty or too long source, prefix or target and for token ids outside the vocabulary,
  // RESOURCE_EXHAUSTED when the queue is full (with RetryAfter) or the block pool could never hold
  // the request, UNAVAILABLE (with RetryAfter) after Drain and when the device is lost. On success
  // the engine shares ownership of `sink` until it has called OnFinish.
  virtual absl::StatusOr<RequestId> Submit(Request request, std::shared_ptr<ResultSink> sink) = 0;

  // Ends a request: its sink gets OnFinish(CANCELLED) within one step, unless it has ended already.
  virtual void Cancel(RequestId id) = 0;

  // Refuses new requests, and returns once all have ended or `deadline` has passed, when the rest
  // is ended with UNAVAILABLE.
  virtual void Drain(TimePoint deadline) = 0;

  virtual EngineStats Stats() const = 0;

  // OK, or UNAVAILABLE once the device is lost: what was queued or running has ended with that, and
  // only a new process can help. A step that failed otherwise ends all requests of that moment with
  // INTERNAL, and is no matter of health.
  virtual absl::Status Health() const = 0;

  virtual const ModelSpec& spec() const = 0;
  virtual const EngineInfo& info() const = 0;
};

}  // namespace transept
