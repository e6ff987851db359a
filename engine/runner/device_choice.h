// Which rows can choose their token on the GPU, and what they must not choose.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/types/batch.h"
#include "engine/types/generation.h"

namespace transept {

// Whether a greedy choice with at most `max_bans` tokens denied is all that `params` ask for.
bool ChoosesOnDevice(const DecodeParams& params, int64_t max_bans);

// Appends the tokens that `row` must not choose in this step, filled up with -1 to `max_bans`. For
// rows that choose on the device.
void AppendBans(const RowPlan& row, int64_t max_bans, std::vector<int32_t>* bans);

}  // namespace transept
