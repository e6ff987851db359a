#include "engine/decode/entropy_filters.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace transept {
namespace {

using Candidates = std::vector<SamplingCandidate>;

// The candidates' weights in brief.
struct Mass {
  double total = 0.0;
  double mean_log = 0.0;  // the logarithm's mean over the distribution: log(total) - entropy
};
Mass MassOf(const Candidates& candidates) {
  Mass mass;
  for (const SamplingCandidate& candidate : candidates) {
    const double weight = candidate.weight;
    if (weight <= 0.0) continue;
    mass.total += weight;
    mass.mean_log += weight * candidate.log_weight;
  }
  mass.mean_log /= mass.total;
  return mass;
}

// Keeps the tokens whose information is nearest to its mean, the entropy, until their probabilities
// reach typical_p, and all that are as near as the last of them.
void KeepTypical(double typical_p, size_t least, Candidates& candidates) {
  const Mass mass = MassOf(candidates);
  const auto distance = [&](const SamplingCandidate& candidate) {
    return std::abs(candidate.log_weight - mass.mean_log);
  };
  struct Near {
    double distance;
    float weight;
    bool operator>(const Near& other) const { return distance > other.distance; }
  };
  std::vector<Near> heap;
  heap.reserve(candidates.size());
  for (const SamplingCandidate& c : candidates) heap.push_back({distance(c), c.weight});
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  double reached = 0.0;
  double farthest = 0.0;
  for (size_t kept = 0; kept < candidates.size(); ++kept) {
    if (kept >= least && reached >= typical_p * mass.total) break;
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    farthest = heap.back().distance;
    reached += heap.back().weight;
    heap.pop_back();
  }
  std::erase_if(candidates, [&](const SamplingCandidate& c) { return distance(c) > farthest; });
}

// Keeps those of at least this probability, and those that are as likely as the `least`-th.
void KeepLikely(double probability, double total, size_t least, Candidates& candidates) {
  if (candidates.size() <= least) return;
  std::vector<float> logs;
  for (const SamplingCandidate& candidate : candidates) logs.push_back(candidate.log_weight);
  std::nth_element(logs.begin(), logs.begin() + (least - 1), logs.end(), std::greater<>());
  const double bound = probability * total;
  const float stays = logs[least - 1];
  std::erase_if(candidates, [&](const SamplingCandidate& c) {
    return c.weight < bound && c.log_weight < stays;
  });
}

// The least probability that eta_cutoff leaves.
double EtaOf(double eta_cutoff, const Mass& mass) {
  const double entropy = std::log(mass.total) - mass.mean_log;
  return std::min(eta_cutoff, std::sqrt(eta_cutoff) * std::exp(-entropy));
}

}  // namespace

bool FiltersByEntropy(const DecodeParams& params) {
  return params.typical_p < 1.0f || params.epsilon_cutoff > 0.0f || params.eta_cutoff > 0.0f;
}

void FilterByEntropy(const DecodeParams& params, size_t least, Candidates& candidates) {
  if (params.typical_p < 1.0f) KeepTypical(params.typical_p, least, candidates);
  if (params.epsilon_cutoff > 0.0f) {
    KeepLikely(params.epsilon_cutoff, MassOf(candidates).total, least, candidates);
  }
  if (params.eta_cutoff > 0.0f) {
    const Mass mass = MassOf(candidates);
    KeepLikely(EtaOf(params.eta_cutoff, mass), mass.total, least, candidates);
  }
}

}  // namespace transept
