// Attention backends: the implementations an attention layer can run on, and the choice among them.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/attention/attention_spec.h"
#include "kernels/operation.h"

namespace transept {

enum class Device : uint8_t { kCpu, kCuda };

// "cpu", "cuda".
const char* Name(Device device);

// Immutable. A backend is a statement of what its kernels can do, and the kernel that an operation
// names to run on it.
class AttentionBackend {
 public:
  virtual ~AttentionBackend() = default;

  virtual std::string_view name() const = 0;
  virtual kernels::AttentionKernel kernel() const = 0;

  // OK, or an error that says which field of `spec` it cannot serve and why.
  virtual absl::Status Supports(const AttentionSpec& spec) const = 0;
};

// The backends of `device`, best first. They live as long as the program.
absl::Span<const AttentionBackend* const> AttentionBackends(Device device);

// The first backend of `device` that supports `spec`, or the one called `name` unless `name` is
// "auto". Adds "NAME: REASON" to `passed_over`, unless it is null, for each better one that does
// not. FAILED_PRECONDITION with every candidate's reason when none does; INVALID_ARGUMENT with the
// known names when `name` is none of them.
absl::StatusOr<const AttentionBackend*> SelectBackend(const AttentionSpec& spec, Device device,
                                                      std::string_view name = "auto",
                                                      std::set<std::string>* passed_over = nullptr);

}  // namespace transept
