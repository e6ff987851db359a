// The sampling filters that look at the whole distribution: typical_p, epsilon_cutoff, eta_cutoff.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/decode/sampler.h"
#include "engine/types/generation.h"

namespace transept {

// Whether any of them is on.
bool FiltersByEntropy(const DecodeParams& params);

// Each in turn takes candidates away, and sees as the distribution what those before it left. At
// least `least` >= 1 stay, if there are as many. The candidates keep their order; one of them at
// least has a weight above 0.
void FilterByEntropy(const DecodeParams& params, size_t least,
                     std::vector<SamplingCandidate>& candidates);

}  // namespace transept
