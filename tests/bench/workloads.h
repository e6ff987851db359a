// The workloads that this project and its peers are measured on: random weights at published
// shapes, fixed source and target lengths. Speed depends on shapes, not on trained values.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/types/model_spec.h"
#include "engine/types/request.h"

namespace transept::bench {

struct Workload {
  std::string name;
  ModelSpec model;
  int32_t source_tokens = 0;
  int32_t new_tokens = 0;  // decoder steps; EOS is suppressed
  int32_t num_beams = 1;
};

// NOT_FOUND, with the names that there are.
absl::StatusOr<Workload> FindWorkload(std::string_view name);

// A request for exactly `new_tokens` tokens, with a source of random tokens.
Request RandomRequest(const ModelSpec& model, int32_t source_tokens, int32_t new_tokens,
                      std::mt19937* random);

}  // namespace transept::bench
