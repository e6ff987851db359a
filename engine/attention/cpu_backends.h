// The attention backends of the CPU: "cpu_simd" and, for comparison, "cpu_reference".
#pragma once

#include "absl/types/span.h"
#include "engine/attention/backend.h"

namespace transept {

absl::Span<const AttentionBackend* const> CpuAttentionBackends();

}  // namespace transept
