#include "engine/decode/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

#include "engine/decode/distribution.h"
#include "engine/decode/entropy_filters.h"
#include "kernels/philox.h"

namespace transept {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Candidate = SamplingCandidate;

// The k-th largest score, or -infinity when fewer than k are above that. Linear: scores above the
// bound known so far gather in a buffer, which is cut to its k largest whenever it holds 2k.
float KthLargest(absl::Span<const float> scores, size_t k) {
  std::vector<float> largest;
  largest.reserve(std::min(2 * k, scores.size()));
  float bound = -kInfinity;
  for (float score : scores) {
    if (!(score > bound)) continue;
    largest.push_back(score);
    if (largest.size() == 2 * k) {
      std::nth_element(largest.begin(), largest.begin() + (k - 1), largest.end(), std::greater<>());
      bound = largest[k - 1];
      largest.resize(k);
    }
  }
  if (largest.size() < k) return -kInfinity;
  std::nth_element(largest.begin(), largest.begin() + (k - 1), largest.end(), std::greater<>());
  return largest[k - 1];
}

// The `count` most likely tokens that are possible at all, best first.
std::vector<TokenLogprob> MostLikely(absl::Span<const float> scores,
                                     const Distribution& distribution, size_t count) {
  const float bound = KthLargest(scores, count);
  std::vector<TokenLogprob> top;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= bound && scores[i] > -kInfinity) {
      top.push_back({static_cast<TokenId>(i), distribution.LogProb(scores[i])});
    }
  }
  // Stable: the lower id first among equals.
  std::stable_sort(top.begin(), top.end(), [&](const TokenLogprob& a, const TokenLogprob& b) {
    return scores[a.token] > scores[b.token];
  });
  if (top.size() > count) top.resize(count);
  return top;
}

// The first of `weights` at which their running sum exceeds `target`. Zero weights are never hit;
// if rounding leaves the sum short of the target, the last positive one is.
size_t Walk(absl::Span<const float> weights, double target) {
  size_t last = 0;
  double sum = 0.0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0.0f) continue;
    sum += weights[i];
    last = i;
    if (sum > target) break;
  }
  return last;
}

// Draws from all tokens: finds the chunk by the chunks' sums, then the token within it.
TokenId DrawFromAll(absl::Span<const float> scores, float max, float temperature, double uniform) {
  constexpr size_t kChunk = 1024;
  std::array<float, kChunk> buffer;
  const auto weigh = [&](size_t chunk) {
    const absl::Span<const float> part = scores.subspan(chunk * kChunk, kChunk);
    return ComputeWeights(part, max, temperature, absl::MakeSpan(buffer).first(part.size()));
  };

  std::vector<float> sums((scores.size() + kChunk - 1) / kChunk);
  double total = 0.0;
  for (size_t chunk = 0; chunk < sums.size(); ++chunk) {
    sums[chunk] = static_cast<float>(weigh(chunk));
    total += sums[chunk];
  }
  const double target = uniform * total;
  const size_t chunk = Walk(sums, target);
  double before = 0.0;
  for (size_t i = 0; i < chunk; ++i) before += sums[i];

  weigh(chunk);
  const size_t size = std::min(kChunk, scores.size() - chunk * kChunk);
  return static_cast<TokenId>(chunk * kChunk +
                              Walk(absl::MakeConstSpan(buffer).first(size), target - before));
}

size_t TokensToKeep(const DecodeParams& params) {
  return static_cast<size_t>(params.min_tokens_to_keep());
}

// What top-k leaves, by token id: the k most likely tokens and all that equal the last of them.
std::vector<Candidate> TopK(const DecodeParams& params, absl::Span<const float> scores, float max) {
  const float bound = KthLargest(scores, std::max<size_t>(params.top_k, TokensToKeep(params)));
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= bound && scores[i] > -kInfinity) {
      const float log_weight = (scores[i] - max) / params.temperature;
      candidates.push_back({static_cast<TokenId>(i), std::exp(log_weight), log_weight});
    }
  }
  return candidates;
}

// All tokens that are possible, by id, but for the least likely that min-p or top-p removes in any
// case: those below the average share of 1 - top_p have less than that together.
std::vector<Candidate> NotUnlikely(const DecodeParams& params, absl::Span<const float> scores,
                                   float max, double* total) {
  std::vector<float> weights(scores.size());
  *total = ComputeWeights(scores, max, params.temperature, absl::MakeSpan(weights));
  const double average = *total / static_cast<double>(scores.size());
  const double floor = std::max<double>(params.min_p, (1.0 - params.top_p) * average);
  const auto above = [&](double floor) {
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (scores[i] > -kInfinity && weights[i] >= floor) {
        const float log_weight = (scores[i] - max) / params.temperature;
        candidates.push_back({static_cast<TokenId>(i), weights[i], log_weight});
      }
    }
    return candidates;
  };
  std::vector<Candidate> candidates = above(floor);
  return candidates.size() < TokensToKeep(params) ? above(0) : candidates;
}

// Keeps the fewest most likely candidates, the lower id first among equals, for which `enough` is
// true of their number and their weight together. Sorts only as far as it must, and leaves the rest
// by token id.
template <typename Enough>
void KeepMostLikely(const Enough& enough, std::vector<Candidate>& candidates) {
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    if (a.weight != b.weight) return a.weight > b.weight;
    if (a.weight == 0 && a.log_weight != b.log_weight) return a.log_weight > b.log_weight;
    return a.token < b.token;
  };
  double mass = 0.0;
  size_t kept = 0;
  size_t sorted = 0;
  while (kept < candidates.size() && !enough(kept, mass)) {
    if (kept == sorted) {
      sorted = std::min(candidates.size(), std::max<size_t>(64, 4 * sorted));
      const auto end = candidates.begin() + sorted;
      if (sorted < candidates.size()) {
        std::nth_element(candidates.begin() + kept, end, candidates.end(), likelier);
      }
      std::sort(candidates.begin() + kept, end, likelier);
    }
    mass += candidates[kept++].weight;
  }
  candidates.resize(kept);
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
}

// Those at least `min_p` as likely as the likeliest, and if they are fewer than `least`, so many of
// the most likely.
void KeepMinP(float min_p, size_t least, std::vector<Candidate>& candidates) {
  const auto unlikely = [&](const Candidate& c) { return c.weight < min_p; };
  const size_t likely =
      candidates.size() - std::count_if(candidates.begin(), candidates.end(), unlikely);
  if (likely >= least) {
    std::erase_if(candidates, unlikely);
  } else {
    KeepMostLikely([&](size_t kept, double) { return kept >= least; }, candidates);
  }
}

// The token at which the cumulative probability, in the order of ids, exceeds the row's uniform
// random number for this position. `max` is finite.
TokenId Sample(const DecodeParams& params, const DecodeContext& context,
               absl::Span<const float> scores, float max) {
  const double uniform =
      kernels::SamplingUniform(params.seed, context.hypothesis, context.position().length);
  if (params.top_k == 0 && params.top_p >= 1.0f && params.min_p <= 0.0f &&
      !FiltersByEntropy(params)) {
    return DrawFromAll(scores, max, params.temperature, uniform);
  }
  const std::vector<Candidate> candidates = KeepCandidates(params, scores, max);
  std::vector<float> weights;
  double total = 0.0;
  for (const Candidate& candidate : candidates) {
    weights.push_back(candidate.weight);
    total += candidate.weight;
  }
  return candidates[Walk(weights, uniform * total)].token;
}

}  // namespace

// Each filter keeps the most likely tokens, so min-p takes nothing that top-p would have counted
// before a token it keeps: their order does not matter.
std::vector<SamplingCandidate> KeepCandidates(const DecodeParams& params,
                                              absl::Span<const float> scores, float max) {
  const size_t least = TokensToKeep(params);
  std::vector<Candidate> candidates;
  double total = 0.0;
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < scores.size()) {
    candidates = TopK(params, scores, max);
    for (const Candidate& candidate : candidates) total += candidate.weight;
  } else {
    candidates = NotUnlikely(params, scores, max, &total);
  }
  KeepMinP(params.min_p, least, candidates);
  if (params.top_p < 1.0f) {
    const double enough = params.top_p * total;
    KeepMostLikely([&](size_t kept, double mass) { return kept >= least && mass >= enough; },
                   candidates);
  }
  FilterByEntropy(params, least, candidates);
  return candidates;
}

GeneratedToken ChooseToken(const DecodeParams& params, const DecodeContext& context,
                           absl::Span<float> logits) {
  ProcessLogits(params, context, logits);
  const Distribution distribution = Summarize(logits);
  GeneratedToken chosen;
  chosen.token = params.do_sample && std::isfinite(distribution.max)
                     ? Sample(params, context, logits, distribution.max)
                     : distribution.argmax;
  chosen.logprob = distribution.LogProb(logits[chosen.token]);
  if (params.top_logprobs > 0) {
    chosen.top = MostLikely(logits, distribution, params.top_logprobs);
  }
  return chosen;
}

}  // namespace transept
