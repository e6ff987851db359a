#include "tests/engine/schedule/fake_model.h"

#include <algorithm>
#include <utility>

#include "engine/decode/beam_search.h"

namespace transept {

uint64_t FakeHash(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccdu;
  return hash ^ (hash >> 33);
}

float FakeLogprob(absl::Span<const TokenId> source, absl::Span<const TokenId> target) {
  return FakeNextToken(source, target, /*hypothesis=*/1000, /*eos_interval=*/2).logprob;
}

GeneratedToken FakeNextToken(absl::Span<const TokenId> source, absl::Span<const TokenId> target,
                             int32_t hypothesis, uint64_t eos_interval) {
  uint64_t hash = 17 + static_cast<uint64_t>(hypothesis);
  for (const TokenId token : source) hash = FakeHash(hash, token);
  for (const TokenId token : target) hash = FakeHash(hash, token);
  const TokenId token =
      hash % eos_interval == 0 ? kFakeEos : static_cast<TokenId>(2 + (hash >> 20) % 97);
  return {token, -static_cast<float>((hash >> 40) % 256) / 64, {}};
}

std::vector<BeamCandidate> FakeContinuations(const DecodeParams& params,
                                             absl::Span<const TokenId> source,
                                             absl::Span<const std::vector<TokenId>> targets,
                                             absl::Span<const float> scores,
                                             uint64_t eos_interval) {
  std::vector<BeamCandidate> candidates;
  for (size_t beam = 0; beam < targets.size(); ++beam) {
    uint64_t hash = 29;
    for (const TokenId token : source) hash = FakeHash(hash, token);
    for (const TokenId token : targets[beam]) hash = FakeHash(hash, token);
    const bool may_end = hash % eos_interval == 0;
    for (int32_t i = 0; i < params.beam_candidates(); ++i) {
      const uint64_t draw = FakeHash(hash, i);
      const auto word = static_cast<TokenId>(2 + ((hash >> 20) + i) % 97);
      candidates.push_back({static_cast<int32_t>(beam), may_end && i == 0 ? kFakeEos : word,
                            scores[beam] - static_cast<float>(draw % 4096) / 256});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  candidates.resize(params.beam_candidates());
  return candidates;
}

namespace {

std::vector<Hypothesis> FakeSearch(const Request& request, uint64_t eos_interval,
                                   const Tokenizer* tokenizer) {
  BeamSearch search(&request.params, tokenizer);
  std::vector<TokenId> prompt = {kFakeStart};
  prompt.insert(prompt.end(), request.target_prefix.begin(), request.target_prefix.end());
  std::vector<std::vector<TokenId>> targets(request.params.num_beams, prompt);
  while (!search.finished()) {
    std::vector<float> scores;
    for (const BeamSearch::Beam& beam : search.beams()) scores.push_back(beam.score);
    search.Advance(
        FakeContinuations(request.params, request.source, targets, scores, eos_interval));
    const std::vector<std::vector<TokenId>> before = targets;
    for (size_t i = 0; i < search.beams().size(); ++i) {
      targets[i] = before[search.beams()[i].parent];
      targets[i].push_back(search.beams()[i].token);
    }
  }
  return search.Hypotheses();
}

}  // namespace

std::vector<Hypothesis> FakeGenerate(const Request& request, uint64_t eos_interval,
                                     const Tokenizer* tokenizer) {
  if (request.params.beam_search()) return FakeSearch(request, eos_interval, tokenizer);
  std::vector<Hypothesis> hypotheses;
  for (int32_t row = 0; row < request.params.num_sequences; ++row) {
    std::vector<TokenId> target = {kFakeStart};
    target.insert(target.end(), request.target_prefix.begin(), request.target_prefix.end());
    Hypothesis hypothesis;
    for (int32_t i = 0; i < request.params.max_new_tokens; ++i) {
      const GeneratedToken next = FakeNextToken(request.source, target, row, eos_interval);
      hypothesis.score += next.logprob;
      if (next.token == kFakeEos) {
        hypothesis.finish_reason = FinishReason::kEos;
        hypothesis.eos = next;
        break;
      }
      target.push_back(next.token);
      hypothesis.tokens.push_back(next);
    }
    hypotheses.push_back(std::move(hypothesis));
  }
  return hypotheses;
}

std::vector<Hypothesis> FakeScore(const Request& request) {
  std::vector<Hypothesis> hypotheses;
  for (const std::vector<TokenId>& tokens : request.targets) {
    std::vector<TokenId> target = {kFakeStart};
    Hypothesis& hypothesis = hypotheses.emplace_back();
    for (const TokenId token : tokens) {
      target.push_back(token);
      hypothesis.tokens.push_back({token, FakeLogprob(request.source, target), {}});
      hypothesis.score += hypothesis.tokens.back().logprob;
    }
  }
  return hypotheses;
}

std::vector<float> FakeStates(absl::Span<const TokenId> source, Pooling pooling) {
  if (pooling != Pooling::kAll) return {static_cast<float>(source[0]), static_cast<float>(pooling)};
  return {source.begin(), source.end()};
}

}  // namespace transept
