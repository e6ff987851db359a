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

BeamSearch::BeamSearch(const DecodeParams* params, const Tokenizer* tokenizer)
    : params_(*params),
      nodes_(1),
      beams_(params->num_beams, Beam{.score = kWorst}),
      stopping_(params->num_beams, StoppingRules(params, tokenizer)),
      kept_(params->num_beams, Kept{.score = kWorst}) {
  beams_[0].score = 0.0f;
}

void BeamSearch::Advance(absl::Span<const BeamCandidate> candidates,
                         absl::Span<const GeneratedToken> rows) {
  if (params_.top_logprobs > 0) {
    for (const GeneratedToken& row : rows) alternatives_.push_back(row.top);
  }
  std::vector<Outcome> outcomes;
  bool all_end = true;
  for (const BeamCandidate& candidate : candidates) {
    Outcome& outcome = outcomes.emplace_back(Outcome{stopping_[candidate.hypothesis], {}});
    outcome.end = outcome.stopping.Append(candidate.token);
    all_end = all_end && outcome.end;
  }
  Keep(candidates, outcomes);
  Continue(candidates, absl::MakeSpan(outcomes));
  ++length_;
  finished_ = all_end || beams_.empty() ||
              (params_.early_stopping == EarlyStopping::kTrue && AllTaken()) || !CanImprove();
}

float BeamSearch::Penalized(float score, int32_t length) const {
  return score / static_cast<float>(std::pow(static_cast<double>(length),
                                             static_cast<double>(params_.length_penalty)));
}

BeamSearch::Node BeamSearch::NodeOf(const BeamCandidate& candidate) const {
  const Beam& parent = beams_[candidate.hypothesis];
  const auto rows = static_cast<int32_t>(alternatives_.size());
  return {.parent = parent.node,
          .depth = length_ + 1,
          .token = candidate.token,
          .logprob = candidate.score - parent.score,
          .alternatives = rows > 0 ? rows - params_.num_beams + candidate.hypothesis : -1};
}

int32_t BeamSearch::AddNode(const BeamCandidate& candidate) {
  nodes_.push_back(NodeOf(candidate));
  return static_cast<int32_t>(nodes_.size()) - 1;
}

GeneratedToken BeamSearch::TokenOf(const Node& node) const {
  GeneratedToken token{node.token, node.logprob, {}};
  if (node.alternatives >= 0) token.top = alternatives_[node.alternatives];
  return token;
}

// Takes in what ends here. Candidates ranked beyond num_beams only serve to go on.
void BeamSearch::Keep(absl::Span<const BeamCandidate> candidates,
                      absl::Span<const Outcome> outcomes) {
  const size_t ranked = std::min<size_t>(candidates.size(), params_.num_beams);
  for (size_t i = 0; i < ranked; ++i) {
    if (!outcomes[i].end) continue;
    const BeamCandidate& candidate = candidates[i];
    Kept& ended = kept_.emplace_back(Kept{.taken = true,
                                          .score = Penalized(candidate.score, length_ + 1),
                                          .reason = *outcomes[i].end});
    if (ended.reason == FinishReason::kEos) {
      const Node eos = NodeOf(candidate);
      ended.node = eos.parent;
      ended.eos = TokenOf(eos);
    } else {
      ended.node = AddNode(candidate);
    }
  }
  std::stable_sort(kept_.begin(), kept_.end(), [](const Kept& a, const Kept& b) {
    return a.taken != b.taken ? a.taken : a.score > b.score;
  });
  kept_.resize(params_.num_beams);
}

// What has ended goes on too where there is nothing better, as in transformers: with so low a score
// that it never comes back.
void BeamSearch::Continue(absl::Span<const BeamCandidate> candidates,
                          absl::Span<Outcome> outcomes) {
  const std::vector<int32_t> on_device = NextBeams(params_, candidates);
  const auto num_beams = static_cast<size_t>(params_.num_beams);
  std::vector<Beam> next;
  std::vector<StoppingRules> stopping;
  if (on_device.size() == num_beams) {
    std::vector<float> scores;
    std::vector<int32_t> order;
    for (size_t i = 0; i < candidates.size(); ++i) {
      scores.push_back(candidates[i].score + (outcomes[i].end ? kWorst : 0.0f));
      order.push_back(static_cast<int32_t>(i));
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
    order.resize(num_beams);
    follows_device_ = order == on_device;
    for (const int32_t index : order) {
      const BeamCandidate& candidate = candidates[index];
      next.push_back({candidate.hypothesis, candidate.token, scores[index], AddNode(candidate)});
      if (outcomes[index].end) {
        follows_device_ = false;  // it has another score there
        outcomes[index].stopping.ForgetText();
      }
      stopping.push_back(std::move(outcomes[index].stopping));
    }
  }
  beams_ = std::move(next);
  stopping_ = std::move(stopping);
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
    tokens.push_back(TokenOf(nodes_[node]));
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
  const int32_t begin = std::exchange(settled_, depth);
  settled_node_ = tips.front();
  return TokensBetween(begin, settled_node_);
}

std::vector<Hypothesis> BeamSearch::Hypotheses() const {
  std::vector<Hypothesis> hypotheses;
  for (int32_t i = 0; i < params_.num_sequences; ++i) {
    const Kept& kept = kept_[i];
    const int32_t node = kept.taken ? kept.node : settled_node_;
    hypotheses.push_back({TokensBetween(0, node), kept.score, kept.reason, kept.eos});
  }
  return hypotheses;
}

}  // namespace transept
