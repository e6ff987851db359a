#include "tests/engine/runner/gpu_beams_fixture.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "absl/types/span.h"
#include "engine/decode/beam_choice.h"
#include "engine/decode/sampler.h"
#include "engine/runner/device_choice.h"
#include "engine/runner/device_rows.h"
#include "engine/runner/row_rules.h"
#include "engine/runner/token_sets.h"
#include "kernels/cuda/select.h"
#include "tests/engine/runner/shared_memory.h"

namespace transept {
namespace {

using kernels::cuda::RowChoice;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int32_t kMaxLength = 600;
constexpr int32_t kMaxSource = 30;

// `rows` of scores are used up. Each row's alternatives go to `tops`, if it is not null.
std::vector<std::vector<RankedCandidate>> ContinuationsOf(
    const Search& search, absl::Span<std::vector<float>> rows,
    std::vector<std::vector<TokenLogprob>>* tops = nullptr) {
  if (tops != nullptr) tops->resize(rows.size());
  std::vector<std::vector<RankedCandidate>> best;
  for (size_t i = 0; i < search.beams.size(); ++i) {
    const DecodeContext context{.history = search.beams[i].history,
                                .source = search.source,
                                .prompt_length = search.prompt_length,
                                .hypothesis = static_cast<int32_t>(i)};
    best.push_back(BestContinuations(search.params, context, search.beams[i].score,
                                     absl::MakeSpan(rows[i]), tops ? &(*tops)[i] : nullptr));
  }
  return best;
}

// Whether the numbers have others next to them that are as good as equal. Those that are equal are
// so everywhere, and those of rows without a past have lost all that tells them apart.
bool HasNearTie(std::vector<float> numbers) {
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 1; i < numbers.size(); ++i) {
    const float difference = numbers[i] - numbers[i - 1];
    const bool near = difference > 0 && difference < 2e-6f * std::max(1.0f, -numbers[i]);
    if (near && numbers[i - 1] > -1e8f) return true;
  }
  return false;
}

void Advance(const std::vector<BeamCandidate>& candidates, Search* search) {
  const std::vector<Beam> before = search->beams;
  const std::vector<int32_t> next = NextBeams(search->params, candidates);
  ASSERT_EQ(next.size(), before.size());
  for (size_t i = 0; i < next.size(); ++i) {
    const BeamCandidate& candidate = candidates[next[i]];
    Beam& beam = search->beams[i];
    beam = before[candidate.hypothesis];
    beam.history.push_back(candidate.token);
    beam.writers.push_back(static_cast<int32_t>(i));  // once it is fed
    beam.score = candidate.score;
  }
}

// Whether a drawn search comes upon a near tie in its first steps. Its rows are those from `row`
// on.
bool HasNearTie(Search search, int64_t row, int steps,
                const std::function<std::vector<float>(int step, int64_t row)>& logits) {
  for (int step = 0; step < steps; ++step) {
    std::vector<std::vector<float>> scores;
    for (size_t i = 0; i < search.beams.size(); ++i) scores.push_back(logits(step, row + i));
    const auto best = ContinuationsOf(search, absl::MakeSpan(scores));
    std::vector<float> ranks, chosen;
    for (const auto& of_beam : best) {
      for (const RankedCandidate& candidate : of_beam) ranks.push_back(candidate.rank);
    }
    std::sort(ranks.begin(), ranks.end(), std::greater<>());
    const size_t compared = search.params.beam_candidates() + 1;
    ranks.resize(std::min(ranks.size(), compared));
    const std::vector<BeamCandidate> candidates = ChooseCandidates(search.params, best);
    for (const BeamCandidate& candidate : candidates) chosen.push_back(candidate.score);
    if (HasNearTie(ranks) || HasNearTie(chosen)) return true;
    Advance(candidates, &search);
  }
  return false;
}

void ExpectScore(float actual, float expected) {
  if (std::isinf(expected)) {
    EXPECT_EQ(actual, expected);
  } else {
    EXPECT_NEAR(actual, expected, 1e-5 * std::max(1.0f, std::abs(expected)));
  }
}

void ExpectTop(const std::vector<TokenLogprob>& actual, const std::vector<TokenLogprob>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  const auto near = [&](size_t i, size_t j) {
    return j < expected.size() && std::abs(expected[i].logprob - expected[j].logprob) < 1e-5f;
  };
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "alternative " << i);
    ExpectScore(actual[i].logprob, expected[i].logprob);
    // The last may have others next to it that are not known.
    if (near(i, i - 1) || near(i, i + 1) || i + 1 == expected.size()) continue;
    EXPECT_EQ(actual[i].token, expected[i].token);
  }
}

}  // namespace

Search MakeSearch(int32_t beams, const std::vector<TokenId>& prompt) {
  Search search;
  search.params.num_beams = beams;
  search.params.eos_tokens = {1};
  search.params.max_new_tokens = 100;
  search.prompt_length = static_cast<int32_t>(prompt.size());
  for (int32_t row = 0; row < beams; ++row) {
    search.beams.push_back({prompt, std::vector<int32_t>(prompt.size(), row), row ? -1e9f : 0.0f});
  }
  return search;
}

void SharePast(Search* search) {
  search->shared_past = true;
  for (Beam& beam : search->beams) std::fill(beam.writers.begin(), beam.writers.end(), 0);
}

// The rows' state on the GPU; slots run against the order of rows.
struct GpuBeamsTest::State {
  State(kernels::cuda::Device* device, int64_t rows, int64_t vocab)
      : sets(device, rows, vocab),
        rules(device, rows, kMaxSource),
        history(std::vector<int32_t>(rows * kMaxLength, -7)),
        ancestry(std::vector<int8_t>(rows * kMaxLength, 99)),
        scores(rows) {}

  kernels::cuda::RowSlots slots() {
    kernels::cuda::RowSlots slots{.history = history.data(),
                                  .history_stride = kMaxLength,
                                  .ancestry = ancestry.data(),
                                  .beam_scores = scores.data(),
                                  .token_sets = sets.masks(),
                                  .set_words = sets.words()};
    rules.AddTo(&slots);
    return slots;
  }

  TokenSets sets;
  RowRules rules;
  Shared<int32_t> history;
  Shared<int8_t> ancestry;
  Shared<float> scores;
};

void GpuBeamsTest::SetUp() {
  std::string error;
  device_ = kernels::cuda::Device::Open(&error);
  ASSERT_NE(device_, nullptr) << error;
}

void GpuBeamsTest::ExpectCpuSteps(std::vector<Search> searches, int64_t vocab, int steps,
                                  const Logits& logits) {
  int64_t rows = 0;
  for (Search& search : searches) {
    const uint64_t last_seed = search.params.seed + 50;
    const bool drawn = search.params.do_sample && search.params.beam_search();
    while (drawn && HasNearTie(search, rows, steps, logits)) {
      ASSERT_LT(search.params.seed++, last_seed);
    }
    rows += static_cast<int64_t>(search.beams.size());
  }
  State state(device_.get(), rows, vocab);
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE(testing::Message() << "step " << step << ", vocabulary " << vocab);
    std::vector<std::vector<float>> scores;
    for (int64_t row = 0; row < rows; ++row) scores.push_back(logits(step, row));
    StepResult chosen = Choose(searches, scores, step == 0, &state);
    ExpectCpuStep(&searches, scores, chosen);
    ExpectState(searches, &state);
    if (HasFailure()) return;
  }
}

StepResult GpuBeamsTest::Choose(const std::vector<Search>& searches,
                                const std::vector<std::vector<float>>& scores, bool starts,
                                State* state) {
  const auto rows = static_cast<int64_t>(scores.size());
  const auto vocab = static_cast<int64_t>(scores[0].size());
  const int64_t stride = (vocab + 7) / 4 * 4;
  Shared<float> logits(std::vector<float>(rows * stride, kInfinity));  // also behind the rows
  std::vector<int32_t> ids, positions, offsets = {0};
  std::vector<RowChoice> choices;
  for (const Search& search : searches) {
    for (size_t beam = 0; beam < search.beams.size(); ++beam) {
      const auto row = static_cast<int64_t>(choices.size());
      std::copy(scores[row].begin(), scores[row].end(), logits.data() + row * stride);
      RowPlan plan;
      plan.slot = static_cast<int32_t>(rows - 1 - row);
      plan.hypothesis = static_cast<int32_t>(beam);
      plan.params = &search.params;
      plan.prompt_length = search.prompt_length;
      const std::vector<TokenId>& history = search.beams[beam].history;
      if (starts) plan.tokens = history;
      if (!starts) plan.first_position = static_cast<int32_t>(history.size()) - 1;
      plan.beam_score = starts ? search.beams[beam].score : 12345.0f;
      plan.shared_past = starts && search.shared_past;
      for (int32_t i = 0; i < plan.tokens_computed(); ++i) {
        positions.push_back(plan.first_position + i);
        ids.push_back(starts ? history[i] : -1);
      }
      offsets.push_back(static_cast<int32_t>(ids.size()));
      choices.push_back(ChoiceOf(plan, {.length = static_cast<int32_t>(search.source.size())}));
      if (!starts) continue;
      state->sets.Add(plan.slot, search.params, search.source);
      state->rules.Send(plan.slot, search.params, search.source);
    }
  }
  state->sets.Send();
  Shared<int32_t> device_ids(ids), device_positions(positions), device_offsets(offsets);
  RowResults results(device_.get(), rows);
  results.BeginStep(0);
  results.Place(choices.size(), absl::MakeSpan(choices));
  Shared<RowChoice> device_choices(choices);
  kernels::cuda::FeedTokens({.token_ids = device_ids.data(),
                             .positions = device_positions.data(),
                             .query_offsets = device_offsets.data(),
                             .rows = device_choices.data(),
                             .num_rows = rows,
                             .slots = state->slots()},
                            *device_);
  kernels::cuda::TokenChoice choice{
      .logits = {logits.data(), kernels::DataType::kFloat32, vocab, stride},
      .rows = device_choices.data(),
      .num_rows = rows,
      .slots = state->slots()};
  results.AddTo(&choice);
  kernels::cuda::ChooseTokens(choice, *device_);
  device_->Check(cudaStreamSynchronize(device_->stream()), "a test");
  EXPECT_TRUE(device_->ok()) << device_->error();
  StepResult result;
  results.Report(0, &result);
  return result;
}

void GpuBeamsTest::ExpectCpuStep(std::vector<Search>* searches,
                                 std::vector<std::vector<float>> scores, const StepResult& actual) {
  size_t row = 0, group = 0;
  for (Search& search : *searches) {
    if (!search.params.beam_search()) {
      Beam& beam = search.beams[0];
      const GeneratedToken expected = ChooseToken(
          search.params,
          {.history = beam.history, .source = search.source, .prompt_length = search.prompt_length},
          absl::MakeSpan(scores[row]));
      EXPECT_EQ(actual.rows[row].token, expected.token) << "row " << row;
      beam.history.push_back(expected.token);
      ++row;
      continue;
    }
    const auto rows = absl::MakeSpan(scores).subspan(row, search.beams.size());
    row += search.beams.size();
    std::vector<std::vector<TokenLogprob>> tops;
    const std::vector<BeamCandidate> expected =
        ChooseCandidates(search.params, ContinuationsOf(search, rows, &tops));
    for (size_t i = 0; i < tops.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "search " << group << ", row " << i);
      ExpectTop(actual.rows[row - tops.size() + i].top, tops[i]);
    }
    ASSERT_LT(group, actual.beams.size());
    const std::vector<BeamCandidate>& found = actual.beams[group];
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "search " << group << ", candidate " << i);
      EXPECT_EQ(found[i].hypothesis, expected[i].hypothesis);
      EXPECT_EQ(found[i].token, expected[i].token);
      ExpectScore(found[i].score, expected[i].score);
    }
    Advance(expected, &search);
    ++group;
  }
  EXPECT_EQ(actual.beams.size(), group);
}

void GpuBeamsTest::ExpectState(const std::vector<Search>& searches, State* state) {
  int64_t slot = 0;
  for (const Search& search : searches) slot += search.beams.size();
  for (size_t s = 0; s < searches.size(); ++s) {
    for (size_t i = 0; i < searches[s].beams.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "search " << s << ", row " << i);
      const Beam& beam = searches[s].beams[i];
      --slot;
      const int32_t* const history = state->history.data() + slot * kMaxLength;
      EXPECT_EQ(std::vector<TokenId>(history, history + beam.history.size()), beam.history);
      EXPECT_EQ(history[beam.history.size()], -7);
      if (!searches[s].params.beam_search()) continue;
      ExpectScore(state->scores[slot], beam.score);
      const int8_t* const ancestry = state->ancestry.data() + slot * kMaxLength;
      for (size_t p = 0; p + 1 < beam.history.size(); ++p) {
        EXPECT_EQ(static_cast<int32_t>(i) + ancestry[p], beam.writers[p]) << "position " << p;
      }
    }
  }
}

}  // namespace transept
