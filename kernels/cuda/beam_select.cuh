// Beam search's part of choosing tokens (ChooseTokens): what comes behind the rows' summaries.
#pragma once

#include <cstdint>

#include "kernels/cuda/best_keys.cuh"
#include "kernels/cuda/row_summary.cuh"
#include "kernels/cuda/select.h"

namespace transept::kernels::cuda {

static_assert(kMaxBestKeys >= kMaxContinuations);

// What the launches of one choice leave to each other, in the device's workspace.
struct ChoicePlan {
  unsigned splits = 1;  // thread blocks of a row
  RowParts parts;
  Summary* totals = nullptr;  // [rows], of rows in beam search
  // [rows, splits, kMaxContinuations]: the best of each part of a row in beam search, by the index
  // hypothesis * vocabulary + token. Null when no row is.
  ScoredKey* best = nullptr;
};

// Launched behind what leaves `plan.totals`.
void ChooseBeams(const TokenChoice& choice, const ChoicePlan& plan, Device& device);

}  // namespace transept::kernels::cuda
