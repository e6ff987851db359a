// Beam search's choices on the GPU, step after step, against the CPU's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

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

using kernels::cuda::Continuation;
using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;
using kernels::cuda::ScoredToken;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int32_t kMaxLength = 600;
constexpr int32_t kMaxSource = 30;

// One row, as the host follows it.
struct Beam {
  std::vector<TokenId> history;
  std::vector<int32_t> writers;  // by position: the row that wrote it
  float score = 0.0f;
};

// The rows of a request, in beam search or a single greedy one.
struct Search {
  DecodeParams params;
  std::vector<TokenId> source = {};
  int32_t prompt_length = 1;
  std::vector<Beam> beams;
};

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

// Multiples of 1/16, so that a row has many equals, and rows hardly any in common.
std::vector<float> RandomLogits(int64_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = std::round(16.0f * normal(random)) / 16.0f;
  return logits;
}

class GpuBeamsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string error;
    device_ = kernels::cuda::Device::Open(&error);
    ASSERT_NE(device_, nullptr) << error;
  }

  // The rows' state on the GPU; slots run against the order of rows.
  struct State {
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

  // Some steps, the first of which feeds all prompts. `logits(step, row)`.
  template <typename Logits>
  void ExpectCpuSteps(std::vector<Search> searches, int64_t vocab, int steps, Logits logits) {
    int64_t rows = 0;
    for (const Search& search : searches) rows += search.beams.size();
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

  StepResult Choose(const std::vector<Search>& searches,
                    const std::vector<std::vector<float>>& scores, bool starts, State* state) {
    const auto rows = static_cast<int64_t>(scores.size());
    const auto vocab = static_cast<int64_t>(scores[0].size());
    const int64_t stride = vocab + 1;
    Shared<float> logits(rows * stride);
    std::vector<int32_t> ids, positions, offsets = {0};
    std::vector<RowChoice> choices;
    int32_t continuations = 0;
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
        for (size_t i = plan.first_position; i < history.size(); ++i) {
          ids.push_back(starts ? history[i] : -1);
          positions.push_back(static_cast<int32_t>(i));
        }
        offsets.push_back(static_cast<int32_t>(ids.size()));
        choices.push_back(ChoiceOf(plan, {.length = static_cast<int32_t>(search.source.size())}));
        choices.back().first_continuation = continuations;
        if (!starts) continue;
        state->sets.Send(plan.slot, search.params, search.source);
        state->rules.Send(plan.slot, search.params, search.source);
      }
      if (search.params.beam_search()) continuations += search.params.beam_candidates();
    }
    Shared<int32_t> device_ids(ids), device_positions(positions), device_offsets(offsets);
    Shared<RowChoice> device_choices(choices);
    DeviceRows results(device_.get(), rows, 1);
    kernels::cuda::FeedTokens({.token_ids = device_ids.data(),
                               .positions = device_positions.data(),
                               .query_offsets = device_offsets.data(),
                               .rows = device_choices.data(),
                               .num_rows = rows,
                               .slots = state->slots()},
                              *device_);
    kernels::cuda::ChooseTokens(
        {.logits = {logits.data(), kernels::DataType::kFloat32, vocab, stride},
         .rows = device_choices.data(),
         .num_rows = rows,
         .slots = state->slots(),
         .chosen = results.choices().chosen,
         .top = results.choices().top,
         .continuations = results.choices().continuations},
        *device_);
    StepChoices fetched(device_.get(), rows);
    fetched.Fetch(results.choices(), choices);
    device_->Check(cudaStreamSynchronize(device_->stream()), "a test");
    EXPECT_TRUE(device_->ok()) << device_->error();
    StepResult result;
    fetched.Report(&result);
    return result;
  }

  // Compares what was chosen with the CPU's choice, and lets the host's rows follow that.
  static void ExpectCpuStep(std::vector<Search>* searches, std::vector<std::vector<float>> scores,
                            const StepResult& actual) {
    size_t row = 0, group = 0;
    for (Search& search : *searches) {
      if (!search.params.beam_search()) {
        Beam& beam = search.beams[0];
        const GeneratedToken expected = ChooseToken(search.params,
                                                    {.history = beam.history,
                                                     .source = search.source,
                                                     .prompt_length = search.prompt_length},
                                                    absl::MakeSpan(scores[row]));
        EXPECT_EQ(actual.rows[row].token, expected.token) << "row " << row;
        beam.history.push_back(expected.token);
        ++row;
        continue;
      }
      std::vector<std::vector<RankedCandidate>> best;
      for (size_t i = 0; i < search.beams.size(); ++i, ++row) {
        best.push_back(BestContinuations(search.params,
                                         {.history = search.beams[i].history,
                                          .source = search.source,
                                          .prompt_length = search.prompt_length,
                                          .hypothesis = static_cast<int32_t>(i)},
                                         search.beams[i].score, absl::MakeSpan(scores[row])));
      }
      const std::vector<BeamCandidate> expected = ChooseCandidates(search.params, best);
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

  static void Advance(const std::vector<BeamCandidate>& candidates, Search* search) {
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

  static void ExpectScore(float actual, float expected) {
    if (std::isinf(expected)) {
      EXPECT_EQ(actual, expected);
    } else {
      EXPECT_NEAR(actual, expected, 1e-5 * std::max(1.0f, std::abs(expected)));
    }
  }

  // The state on the GPU is that of the host, but for the ancestry of a token that is not fed yet.
  static void ExpectState(const std::vector<Search>& searches, State* state) {
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

  std::unique_ptr<kernels::cuda::Device> device_;
};

// One row is shared by many thread blocks, many rows have few each.
TEST_F(GpuBeamsTest, PlainSearches) {
  for (const int64_t vocab : {7, 512, 50000, 262144}) {
    for (const int32_t beams : {2, 4, 16}) {
      std::vector<Search> searches;
      for (int i = 0; i < (vocab > 10000 ? 2 : 5); ++i) {
        searches.push_back(MakeSearch(beams, std::vector<TokenId>(1 + 3 * i, 0)));
        // So that there are 2, 3 or 4 candidates for each row.
        if (i % 3 > 0) searches.back().params.eos_tokens.push_back(3);
        if (i % 3 > 1 || beams == 16) searches.back().params.eos_tokens.push_back(5);
      }
      ExpectCpuSteps(searches, vocab, 4, [&](int step, int64_t row) {
        return RandomLogits(vocab, 100 * step + row + beams);
      });
    }
  }
}

// Greedy rows and searches of all widths in one batch, with every processor.
TEST_F(GpuBeamsTest, ProcessorsInMixedBatches) {
  std::mt19937 random(5);
  const auto below = [&](int32_t bound) { return static_cast<int32_t>(random() % bound); };
  for (const int64_t vocab : {40, 3000, 50000}) {
    for (int round = 0; round < 4; ++round) {
      std::vector<Search> searches;
      for (int i = 0; i < 8; ++i) {
        std::vector<TokenId> prompt(1 + below(i % 4 == 0 ? 500 : 9));
        for (TokenId& token : prompt) token = 2 + below(4);
        Search& search = searches.emplace_back(MakeSearch(1 + below(8), prompt));
        DecodeParams& params = search.params;
        params.renormalize_logits = below(2);
        if (below(2)) params.repetition_penalty = below(2) ? 1.7f : 0.6f;
        if (below(2)) params.no_repeat_ngram_size = 1 + below(3);
        if (below(2)) params.min_new_tokens = below(6);
        if (below(2)) params.suppress_tokens = {3, 7, 11};
        if (below(2)) params.begin_suppress_tokens = {4, 5};
        search.source.resize(1 + below(kMaxSource));
        for (TokenId& token : search.source) token = 2 + below(4);
        if (below(3) == 0) params.encoder_repetition_penalty = below(2) ? 1.7f : 0.6f;
        if (below(3) == 0) params.encoder_no_repeat_ngram_size = 1 + below(3);
        if (below(3) == 0) params.bad_words = {{6}, {3, 2}, {2, 4, 5}, {4, 1}};
        if (below(3) == 0) params.sequence_bias = {{{5}, 1.5f}, {{3, 5}, -2.0f}, {{2, 3}, 4.0f}};
        if (below(3) == 0) params.length_decay = {.start_index = below(3), .decay_factor = 1.25f};
        if (below(3) == 0) params.forced_bos_token = 6;
        if (below(3) == 0) params.forced_eos_token = 1;
        params.max_new_tokens = 4 + below(2);
      }
      ExpectCpuSteps(searches, vocab, 4, [&](int step, int64_t row) {
        std::vector<float> logits = RandomLogits(vocab, 1000 * round + 100 * step + row);
        for (int token = 1; token < 7; ++token) logits[token] += 5.0f;
        return logits;
      });
    }
  }
}

// Nothing but ties, nothing that is possible, and less than the candidates that must be found.
TEST_F(GpuBeamsTest, HostileLogits) {
  for (const int64_t vocab : {40, 3000, 50000}) {
    std::vector<Search> searches;
    for (int i = 0; i < 8; ++i) searches.push_back(MakeSearch(4, {0, 0}));
    ExpectCpuSteps(searches, vocab, 3, [&](int step, int64_t row) {
      std::vector<float> logits = RandomLogits(vocab, 100 * step + row);
      const int64_t search = row / 4;
      if (search == 0) logits.assign(vocab, 1.5f);
      if (search == 1) logits.assign(vocab, -kInfinity);
      if (search == 2) logits.assign(vocab, std::numeric_limits<float>::quiet_NaN());
      if (search == 3) {
        logits.assign(vocab, -kInfinity);
        logits[vocab - 1] = -3.0f;
        logits[vocab / 2] = -3.0f;
      }
      if (search == 4) logits[3] = std::numeric_limits<float>::quiet_NaN();
      if (search == 5 && row % 4 == 1) logits.assign(vocab, -kInfinity);
      if (search == 6) logits[1] += 100.0f;  // all rows end
      return logits;
    });
  }
}

// The best tokens of a part lie where some of its threads look, and are too many to gather.
TEST_F(GpuBeamsTest, BestTokensInFewPlaces) {
  constexpr int64_t kVocab = 50000;
  std::vector<Search> searches;
  for (int i = 0; i < 70; ++i) {  // so many that a row has four parts
    searches.push_back(MakeSearch(4, {0}));
    searches.back().params.eos_tokens = {1, 2, 3};
  }
  ExpectCpuSteps(searches, kVocab, 2, [&](int step, int64_t row) {
    std::vector<float> logits = RandomLogits(kVocab, 100 * step + row % 7);
    for (int64_t token = 0; token < kVocab; ++token) {
      if (token % (kVocab / 4) % 512 < 60) logits[token] += 40.0f;
    }
    return logits;
  });
}

}  // namespace
}  // namespace transept
