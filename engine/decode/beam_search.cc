#include "engine/decode/beam_search.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>

#include "engine/decode/beam_choice.h"

namespace transept {
namespace {

// The score of what must not be chosen while there is anything else.
constexpr float kWorst = -1e9f;

}  // namespace

BeamSearch::BeamSearch(const DecodeParams* params)
    : params_(*params),
      nodes_(1),
      beams_(params->num_beams, Beam{.score = kWorst}),
      kept_(params->num_beams, Kept{.score = kWorst}) {
  beams_[0].score = 0.0f;
}

void BeamSearch::Advance(absl::Span<const BeamCandidate> candidates) {
  Keep(candidates);
  const bool at_limit = length_ + 1 >= params_.max_new_tokens;
  Continue(candidates);
  ++length_;
  finished_ = at_limit || beams_.size() < static_cast<size_t>(params_.num_beams) ||
              (params_.early_stopping == EarlyStopping::kTrue && AllTaken()) || !CanImprove();
}

bool BeamSearch::IsEos(TokenId token) const {
  const std::vector<TokenId>& eos = params_.eos_tokens;
  return std::find(eos.begin(), eos.end(), token) != eos.end();
}

float BeamSearch::Penalized(float score, int32_t length) const {
  return score / static_cast<float>(std::pow(static_cast<double>(length),
                                             static_cast<double>(params_.length_penalty)));
}

int32_t BeamSearch::AddNode(const BeamCandidate& candidate) {
  const Beam& parent = beams_[candidate.hypothesis];
  nodes_.push_back({.parent = parent.node,
                    .depth = length_ + 1,
                    .token = candidate.token,
                    .logprob = candidate.score - parent.score});
  return static_cast<int32_t>(nodes_.size()) - 1;
}

// Takes in what ends here. Candidates ranked beyond num_beams only serve to go on.
void BeamSearch::Keep(absl::Span<const BeamCandidate> candidates) {
  const bool at_limit = length_ + 1 >= params_.max_new_tokens;
  const size_t ranked = std::min<size_t>(candidates.size(), params_.num_beams);
  for (const BeamCandidate& candidate : candidates.first(ranked)) {
    const bool is_eos = IsEos(candidate.token);
    if (!is_eos && !at_limit) continue;
    const Beam& parent = beams_[candidate.hypothesis];
    Kept& ended =
        kept_.emplace_back(Kept{.taken = true, .score = Penalized(candidate.score, length_ + 1)});
    ended.node = is_eos ? parent.node : AddNode(candidate);
    if (is_eos) ended.eos = {candidate.token, candidate.score - parent.score, {}};
  }
  std::stable_sort(kept_.begin(), kept_.end(), [](const Kept& a, const Kept& b) {
    return a.score != b.score ? a.score > b.score : a.taken && !b.taken;
  });
  kept_.resize(params_.num_beams);
}

void BeamSearch::Continue(absl::Span<const BeamCandidate> candidates) {
  std::vector<Beam> next;
  for (const int32_t index : NextBeams(params_, candidates)) {
    const BeamCandidate& candidate = candidates[index];
    next.push_back({candidate.hypothesis, candidate.token, candidate.score, AddNode(candidate)});
  }
  beams_ = std::move(next);
}

bool BeamSearch::AllTaken() const {
  return std::all_of(kept_.begin(), kept_.end(), [](const Kept& kept) { return kept.taken; });
}

// Whether the best running beam may yet beat the worst kept hypothesis, judged as if it ended now;
// or, if it must be ruled out, at the length that would suit it best.
bool BeamSearch::CanImprove() const {
  const bool longer_is_better =
      params_.early_stopping == EarlyStopping::kNever && params_.length_penalty > 0.0f;
  const int32_t length = longer_is_better ? params_.max_new_tokens : length_;
  const float worst = AllTaken() ? kept_.back().score : kWorst;
  return Penalized(beams_[0].score, length) > worst;
}

std::vector<GeneratedToken> BeamSearch::TokensBetween(int32_t begin_depth, int32_t node) const {
  std::vector<GeneratedToken> tokens;
  for (; nodes_[node].depth > begin_depth; node = nodes_[node].parent) {
    tokens.push_back({nodes_[node].token, nodes_[node].logprob, {}});
  }
  std::reverse(tokens.begin(), tokens.end());
  return tokens;
}

std::vector<GeneratedToken> BeamSearch::TakeSettled() {
  std::vector<int32_t> tips;
  for (const Beam& beam : beams_) tips.push_back(beam.node);
  for (const Kept& kept : kept_) {
    if (kept.taken) tips.push_back(kept.node);
  }
  int32_t depth = length_;
  for (const int32_t tip : tips) depth = std::min(depth, nodes_[tip].depth);
  const auto climb_to = [&](int32_t depth) {
    for (int32_t& tip : tips) {
      while (nodes_[tip].depth > depth) tip = nodes_[tip].parent;
    }
  };
  climb_to(depth);
  while (depth > settled_ &&
         std::adjacent_find(tips.begin(), tips.end(), std::not_equal_to<>()) != tips.end()) {
    climb_to(--depth);
  }
  if (depth <= settled_) return {};
  return TokensBetween(std::exchange(settled_, depth), tips.front());
}

std::vector<Hypothesis> BeamSearch::Hypotheses() const {
  std::vector<Hypothesis> hypotheses;
  for (int32_t i = 0; i < params_.num_sequences; ++i) {
    const Kept& kept = kept_[i];
    hypotheses.push_back({TokensBetween(0, kept.node), kept.score,
                          kept.eos ? FinishReason::kEos : FinishReason::kLength, kept.eos});
  }
  return hypotheses;
}

}  // namespace transept
