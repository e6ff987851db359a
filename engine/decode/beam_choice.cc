#include "engine/decode/beam_choice.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "engine/decode/distribution.h"
#include "engine/decode/sampler.h"
#include "kernels/philox.h"

namespace transept {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A token of one row and its rank.
struct Ranked {
  TokenId token;
  float rank;
};

bool Better(const Ranked& a, const Ranked& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.token < b.token;
}

// The `count` best, in order; those at -infinity last. Linear: what is above the bound known so far
// gathers in a buffer, which is cut to its best whenever it is full.
std::vector<Ranked> Best(absl::Span<const float> ranks, size_t count) {
  std::vector<Ranked> best;
  best.reserve(2 * count);
  float bound = -kInfinity;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (!(ranks[i] > bound)) continue;
    best.push_back({static_cast<TokenId>(i), ranks[i]});
    if (best.size() < 2 * count) continue;
    std::nth_element(best.begin(), best.begin() + (count - 1), best.end(), Better);
    best.resize(count);
    bound = best.back().rank;
  }
  std::sort(best.begin(), best.end(), Better);
  if (best.size() > count) best.resize(count);
  for (size_t i = 0; i < ranks.size() && best.size() < count; ++i) {
    if (!(ranks[i] > -kInfinity)) best.push_back({static_cast<TokenId>(i), -kInfinity});
  }
  return best;
}

void LogSoftmax(absl::Span<float> scores) {
  const Distribution distribution = Summarize(scores);
  if (!std::isfinite(distribution.max)) {
    for (float& score : scores) score = distribution.LogProb(score);
    return;
  }
  const float max = distribution.max;
  const auto log_sum = static_cast<float>(std::log(distribution.sum));
  for (float& score : scores) {
    const float log_prob = (score - max) - log_sum;
    score = log_prob <= 0.0f ? log_prob : -kInfinity;  // the latter for NaN
  }
}

// Divides by the temperature, and bans what the sampling filters do not leave.
void Warp(const DecodeParams& params, absl::Span<float> scores) {
  const float max = Summarize(scores).max;
  if (!std::isfinite(max)) return;
  std::vector<Ranked> kept;
  for (const SamplingCandidate& candidate : KeepCandidates(params, scores, max)) {
    kept.push_back({candidate.token, scores[candidate.token] / params.temperature});
  }
  std::fill(scores.begin(), scores.end(), -kInfinity);
  for (const Ranked& token : kept) scores[token.token] = token.rank;
}

float GumbelNoise(const DecodeParams& params, const DecodeContext& context, TokenId token) {
  const double uniform =
      kernels::BeamUniform(params.seed, context.hypothesis, context.position().length, token);
  return static_cast<float>(-std::log(-std::log(uniform)));
}

}  // namespace

std::vector<RankedCandidate> BestContinuations(const DecodeParams& params,
                                               const DecodeContext& context, float beam_score,
                                               absl::Span<float> logits,
                                               std::vector<TokenLogprob>* top) {
  LogSoftmax(logits);
  ProcessLogits(params, context, logits);
  if (params.do_sample) Warp(params, logits);
  if (params.renormalize_logits) LogSoftmax(logits);
  if (top != nullptr && params.top_logprobs > 0) {
    for (const auto& [token, logprob] : Best(logits, params.top_logprobs)) {
      if (logprob > -kInfinity) top->push_back({token, logprob});
    }
  }
  for (float& score : logits) score += beam_score;

  std::vector<float> noisy;
  absl::Span<const float> ranks = logits;
  if (params.do_sample && beam_score > kernels::kLeastDrawingScore) {
    noisy.assign(logits.begin(), logits.end());
    for (size_t i = 0; i < noisy.size(); ++i) {
      if (noisy[i] > -kInfinity) {
        noisy[i] += GumbelNoise(params, context, static_cast<TokenId>(i));
      }
    }
    ranks = noisy;
  }
  std::vector<RankedCandidate> best;
  for (const auto& [token, rank] : Best(ranks, params.beam_candidates())) {
    const float score = rank > -kInfinity ? logits[token] : -kInfinity;
    best.push_back({{context.hypothesis, token, score}, rank});
  }
  return best;
}

std::vector<BeamCandidate> ChooseCandidates(
    const DecodeParams& params, absl::Span<const std::vector<RankedCandidate>> continuations) {
  std::vector<RankedCandidate> all;
  for (const auto& of_beam : continuations) all.insert(all.end(), of_beam.begin(), of_beam.end());
  // Stable: they come by beam, and within one by token among equals.
  std::stable_sort(all.begin(), all.end(), [](const RankedCandidate& a, const RankedCandidate& b) {
    return a.rank > b.rank;
  });
  all.resize(std::min<size_t>(all.size(), params.beam_candidates()));
  std::vector<BeamCandidate> chosen;
  chosen.reserve(all.size());
  for (const RankedCandidate& ranked : all) chosen.push_back(ranked.candidate);
  return chosen;
}

std::vector<int32_t> NextBeams(const DecodeParams& params,
                               absl::Span<const BeamCandidate> candidates) {
  std::vector<int32_t> next;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const std::vector<TokenId>& eos = params.eos_tokens;
    if (std::find(eos.begin(), eos.end(), candidates[i].token) == eos.end()) {
      next.push_back(static_cast<int32_t>(i));
    }
  }
  std::stable_sort(next.begin(), next.end(),
                   [&](int32_t a, int32_t b) { return candidates[a].score > candidates[b].score; });
  next.resize(std::min<size_t>(next.size(), params.num_beams));
  return next;
}

}  // namespace transept
