// The budgets and constants of a scheduler.
#pragma once

#include <chrono>
#include <cstdint>

#include "engine/types/clock.h"
#include "engine/types/model_spec.h"

namespace transept {

struct SchedulerOptions {
  int32_t max_rows = 64;              // decoder rows in one step, and slots; >= 1
  int32_t max_encoder_tokens = 2048;  // see Scheduler::Schedule; >= 1
  int32_t block_size = 16;            // positions in a block; as in the source cache
  // Tokens that the rows of one beam search can be fed in a step, together; 0 = unlimited.
  int32_t max_search_tokens = 0;
  // Decoder start, prefix and generated tokens but the last; 0 = unlimited.
  int32_t max_target_positions = 0;
  // The runner encodes beside the rows: a source has readers once it is known, or awaited, to be
  // there. Else it has them in its own step.
  bool encode_beside_rows = false;
  Duration priority_interval = std::chrono::seconds(30);  // worth of one priority level; >= 0
  TokenId decoder_start_token = 0;                        // position 0 of every row
};

}  // namespace transept
