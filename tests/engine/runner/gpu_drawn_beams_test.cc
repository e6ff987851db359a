// Beams drawn on the GPU, step after step, against the CPU's chain.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "tests/engine/runner/gpu_beams_fixture.h"
#include "tests/engine/runner/gpu_choice_fixture.h"

namespace transept {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// All of its rows have a past.
Search MakeDrawn(int32_t beams, uint64_t seed) {
  Search search = MakeSearch(beams, {0});
  search.params.do_sample = true;
  search.params.seed = seed << 32 | seed;
  for (size_t i = 0; i < search.beams.size(); ++i) {
    search.beams[i].score = -3.0f - 0.37f * static_cast<float>(i);
  }
  return search;
}

// From all tokens. One row is shared by many thread blocks, many rows have few each.
TEST_F(GpuBeamsTest, DrawsWithoutFilters) {
  for (const int64_t vocab : {7, 512, 50000, 256206}) {
    for (const int32_t beams : {2, 5, 16}) {
      if (vocab > 100000 && beams > 5) continue;
      std::vector<Search> searches;
      for (int i = 0; i < 4; ++i) {
        Search& search = searches.emplace_back(MakeDrawn(beams, 100 * vocab + i));
        if (i == 0) search.beams = MakeSearch(beams, {0}).beams;  // all begin with the first row
        if (i % 2 == 1) search.params.temperature = 0.6f;
        if (i % 3 == 1) search.params.renormalize_logits = true;
        if (i % 3 > 0) search.params.eos_tokens.push_back(3);
        if (beams == 16) search.params.eos_tokens = {1, 3, 5};
      }
      ExpectCpuSteps(searches, vocab, 3, [&](int step, int64_t row) {
        return RandomLogits(vocab, 100 * step + row + beams, 2.0f);
      });
    }
  }
}

// All of them with each other. Where few tokens have all of the probability, the filters leave
// unlikely ones too: so many that one goes on.
TEST_F(GpuBeamsTest, DrawsFromWhatFiltersLeave) {
  for (const int64_t vocab : {40, 5003, 58101}) {
    std::vector<Search> searches;
    const auto run = [&] {
      ExpectCpuSteps(searches, vocab, 2, [&](int step, int64_t row) {
        return RandomLogits(vocab, 100 * step + row, vocab < 5000 ? 2.0f : 5.0f);
      });
      searches.clear();
    };
    uint64_t seed = 0;
    for (const int32_t top_k : {0, 1, 50, 3000}) {
      for (const float top_p : {1.0f, 0.9f, 0.01f}) {
        for (const float min_p : {0.0f, 0.02f, 1.0f}) {
          for (const float typical_p : {1.0f, 0.5f}) {
            DecodeParams& params = searches.emplace_back(MakeDrawn(2, ++seed)).params;
            params.top_k = top_k;
            params.top_p = top_p;
            params.min_p = min_p;
            params.typical_p = typical_p;
            params.temperature = seed % 3 == 0 ? 1.0f : seed % 3 == 1 ? 0.7f : 0.05f;
            params.renormalize_logits = seed % 2 == 0;
            params.epsilon_cutoff = seed % 5 == 0 ? 0.02f : seed % 5 == 1 ? 0.4f : 0.0f;
            params.eta_cutoff = seed % 7 == 0 ? 0.01f : seed % 7 == 1 ? 0.5f : 0.0f;
            if (seed % 4 == 3) params.eos_tokens = {1, 2, 3};
            params.top_logprobs = seed % 2 == 0 ? 4 : 0;
            if (searches.size() == 24) run();
          }
        }
      }
    }
  }
}

// More equals than a block gathers: top-k leaves all of them, the other filters the first.
TEST_F(GpuBeamsTest, DrawsAmongEquals) {
  for (const int64_t vocab : {97, 5003}) {
    std::vector<Search> searches;
    for (const int32_t top_k : {0, 5, 900}) {
      for (const float top_p : {1.0f, 0.5f, 0.001f}) {
        for (const float min_p : {0.0f, 1.0f}) {
          DecodeParams& params = searches.emplace_back(MakeDrawn(3, searches.size())).params;
          params.top_k = top_k;
          params.top_p = top_p;
          params.min_p = min_p;
          params.typical_p = top_k == 5 ? 0.5f : 1.0f;
          params.epsilon_cutoff = top_k == 900 ? 0.9f : 0.0f;
        }
      }
    }
    ExpectCpuSteps(searches, vocab, 3, [&](int, int64_t) {
      std::vector<float> logits(vocab, -1.0f);
      logits[11] = logits[70] = -kInfinity;
      return logits;
    });
  }
}

// Forced tokens leave the order of beams to chance; what is banned is never drawn.
TEST_F(GpuBeamsTest, DrawsWhatProcessorsLeave) {
  for (const int64_t vocab : {40, 58101}) {
    std::vector<Search> searches;
    for (int i = 0; i < 12; ++i) {
      DecodeParams& params = searches.emplace_back(MakeDrawn(4, i)).params;
      params.max_new_tokens = 3;
      if (i % 2 == 1) params.renormalize_logits = true;
      if (i % 3 == 1) params.forced_bos_token = 6;
      if (i % 3 == 1) params.forced_eos_token = 1;
      if (i % 3 == 2) params.min_new_tokens = 3;
      if (i % 4 >= 2) params.repetition_penalty = 1.5f;
      if (i >= 6) params.suppress_tokens = {6, 9, 10};
      if (i >= 9) params.sequence_bias = {{{5}, 7.53f}};
      if (i >= 9) params.top_k = 1;
    }
    ExpectCpuSteps(searches, vocab, 3, [&](int step, int64_t row) {
      std::vector<float> logits = RandomLogits(vocab, 100 * step + row, 3.0f);
      for (const int token : {1, 9, 10}) logits[token] += 20.0f;
      return logits;
    });
  }
}

TEST_F(GpuBeamsTest, DrawsFromHostileLogits) {
  for (const int64_t vocab : {40, 3000, 50000}) {
    std::vector<Search> searches;
    for (int i = 0; i < 18; ++i) {
      Search& search = searches.emplace_back(MakeDrawn(4, i));
      search.params.top_k = i >= 9 ? 3 : 0;
      search.params.top_p = i >= 9 ? 0.9f : 1.0f;
      search.params.renormalize_logits = i % 2 == 0;
      search.params.top_logprobs = i % 3 == 0 ? 20 : 0;
    }
    ExpectCpuSteps(searches, vocab, 3, [&](int step, int64_t row) {
      std::vector<float> logits = RandomLogits(vocab, 100 * step + row, 3.0f);
      const int64_t search = row / 4 % 9;
      if (search == 1) logits.assign(vocab, -kInfinity);
      if (search == 2) logits.assign(vocab, kNan);
      if (search == 3) {
        std::fill(logits.begin() + 2, logits.end(), -kInfinity);  // two are possible
      }
      if (search == 4) logits[3] = kNan;
      if (search == 5 && row % 4 == 1) logits.assign(vocab, -kInfinity);
      if (search == 6) logits[1] += 100.0f;  // all rows end
      if (search == 7) logits[7] = kInfinity;
      if (search == 8) logits[5] += 300.0f;  // others round to a probability of 0
      return logits;
    });
  }
}

}  // namespace
}  // namespace transept
