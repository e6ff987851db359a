// What is remembered of a planned step until its result comes.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/types/request.h"

namespace transept {

// Rows are named by their request and their number within it.
struct InFlight {
  uint64_t id = 0;
  bool awaits_encoder = false;
  std::vector<std::pair<RequestId, int32_t>> rows;    // as in StepPlan::rows
  std::vector<RequestId> searches;                    // as in StepResult::beams
  std::vector<std::pair<RequestId, int32_t>> scored;  // as in StepResult::target_logprobs
};

}  // namespace transept
