// What rows draw on the GPU, against the CPU's chain.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/engine/runner/gpu_choice_fixture.h"

namespace transept {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// All settings with each other, several draws of each. A draw within 1e-5 of where two tokens meet
// may go either way; so few come that close that none is expected here.
TEST_F(GpuChoiceTest, Sampling) {
  for (const int64_t vocab : {17, 97, 5003, 32128, 250112}) {
    std::vector<Case> cases;
    for (const float temperature : {1.0f, 0.6f, 1.5f}) {
      for (const int32_t top_k : {0, 1, 5, 50, 600, 3000}) {
        for (const float top_p : {1.0f, 0.9f, 0.3f, 1e-9f}) {
          for (const float min_p : {0.0f, 0.02f, 1.0f}) {
            Case& c = cases.emplace_back();
            c.params.do_sample = true;
            c.params.temperature = temperature;
            c.params.top_k = top_k;
            c.params.top_p = top_p;
            c.params.min_p = min_p;
            c.params.seed = 77 * cases.size();
            c.params.top_logprobs = static_cast<int32_t>(cases.size() % 3);
            c.hypothesis = static_cast<int32_t>(cases.size() % 5);
            c.history.assign(1 + cases.size() % 9, 0);
            // So steep that single tokens weigh more than roundings.
            c.logits = RandomLogits(vocab, cases.size(), vocab < 5000 ? 2.0f : 6.0f);
          }
        }
      }
    }
    // A large vocabulary's cases go in small steps, which have several blocks a row.
    const size_t step = vocab > 100000 ? 20 : cases.size();
    for (size_t begin = 0; begin < cases.size(); begin += step) {
      const size_t end = std::min(begin + step, cases.size());
      ExpectCpuChoices({cases.begin() + begin, cases.begin() + end});
    }
  }
}

// typical_p, epsilon_cutoff and eta_cutoff, alone, with each other, and behind the other filters.
TEST_F(GpuChoiceTest, SamplingByEntropy) {
  for (const int64_t vocab : {17, 97, 5003, 32128, 250112}) {
    std::vector<Case> cases;
    for (const int32_t top_k : {0, 1, 50, 3000}) {
      for (const float top_p : {1.0f, 0.9f}) {
        for (const float typical_p : {1.0f, 0.9f, 0.4f, 1e-9f}) {
          for (const float epsilon : {0.0f, 1e-3f, 0.3f}) {
            for (const float eta : {0.0f, 1e-3f, 0.5f}) {
              Case& c = cases.emplace_back();
              c.params.do_sample = true;
              c.params.temperature = cases.size() % 2 ? 1.0f : 0.7f;
              c.params.min_p = cases.size() % 5 ? 0.0f : 0.02f;
              c.params.top_k = top_k;
              c.params.top_p = top_p;
              c.params.typical_p = typical_p;
              c.params.epsilon_cutoff = epsilon;
              c.params.eta_cutoff = eta;
              c.params.seed = 78 * cases.size();
              c.logits = RandomLogits(vocab, cases.size(), vocab < 5000 ? 2.0f : 6.0f);
            }
          }
        }
      }
    }
    const size_t step = vocab > 100000 ? 20 : cases.size();
    for (size_t begin = 0; begin < cases.size(); begin += step) {
      const size_t end = std::min(begin + step, cases.size());
      ExpectCpuChoices({cases.begin() + begin, cases.begin() + end});
    }
  }
}

// Equal scores, more of them than fit in a block's memory: top-k keeps all, top-p the lowest ids.
TEST_F(GpuChoiceTest, SamplingAmongEquals) {
  for (const int64_t vocab : {97, 5003}) {
    std::vector<Case> cases;
    for (const int32_t top_k : {0, 5, 900}) {
      for (const float top_p : {1.0f, 0.5f, 0.001f}) {
        for (int draw = 0; draw < 10; ++draw) {
          Case& c = cases.emplace_back();
          c.params.do_sample = true;
          c.params.top_k = top_k;
          c.params.top_p = top_p;
          c.params.typical_p = draw % 3 == 0 ? 0.5f : 1.0f;  // takes none of equals
          c.params.epsilon_cutoff = draw % 2 == 0 ? 0.9f : 0.0f;
          c.params.seed = cases.size();
          c.logits.assign(vocab, -1.0f);
          c.logits[11] = c.logits[70] = -kInfinity;
        }
      }
    }
    ExpectCpuChoices(cases);
  }
}

TEST_F(GpuChoiceTest, ExtremeTemperatures) {
  std::vector<Case> cases;
  for (const float temperature :
       {std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max()}) {
    for (const float top_p : {1.0f, 0.5f, std::numeric_limits<float>::denorm_min()}) {
      for (const float min_p : {0.0f, 0.5f, 1.0f}) {
        Case& c = cases.emplace_back();
        c.params.do_sample = true;
        c.params.temperature = temperature;
        c.params.top_p = top_p;
        c.params.min_p = min_p;
        c.params.typical_p = cases.size() % 2 == 0 ? 0.9f : 1.0f;
        c.params.eta_cutoff = cases.size() % 3 == 0 ? 0.1f : 0.0f;
        c.params.seed = cases.size();
        c.logits = {1.0f, 2.0f, -kInfinity, 1.5f};
      }
    }
  }
  ExpectCpuChoices(cases);
}

// 20,000 draws over 40 classes, as many as tests/engine/decode/sampler_test.cc makes: 39 degrees of
// freedom, of which 99.99 % lie below 82.
TEST_F(GpuChoiceTest, FrequenciesFollowTheProbabilities) {
  constexpr int kDraws = 20000;
  std::vector<Case> cases(kDraws);
  for (int i = 0; i < kDraws; ++i) {
    cases[i].logits = RandomLogits(40, 7, 1.0f);
    cases[i].params.do_sample = true;
    cases[i].params.seed = i / 100;
    cases[i].hypothesis = i % 100;
  }
  std::vector<int> counts(40);
  for (const GeneratedToken& chosen : ChooseOnGpu(cases)) ++counts[chosen.token];
  double total = 0.0, chi_square = 0.0;
  for (const float logit : cases[0].logits) total += std::exp(double{logit});
  for (int token = 0; token < 40; ++token) {
    const double expected = kDraws * std::exp(double{cases[0].logits[token]}) / total;
    chi_square += (counts[token] - expected) * (counts[token] - expected) / expected;
  }
  EXPECT_LT(chi_square, 82.0);
  EXPECT_GT(chi_square, 12.0);
}

}  // namespace
}  // namespace transept
