// Requests in beam search that choose on the GPU and on the CPU alike, step after step.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/types/batch.h"
#include "engine/types/generation.h"
#include "kernels/cuda/device.h"

namespace transept {

// One row, as the host follows it.
struct Beam {
  std::vector<TokenId> history;
  std::vector<int32_t> writers;  // by position: the row that wrote it
  float score = 0.0f;
};

// The rows of a request, in beam search or a single one. A history has at most 599 tokens, a
// source 30.
struct Search {
  DecodeParams params;
  std::vector<TokenId> source = {};
  int32_t prompt_length = 1;
  std::vector<Beam> beams;
  bool shared_past = false;  // the first row is fed the prompt for all
};

Search MakeSearch(int32_t beams, const std::vector<TokenId>& prompt);
void SharePast(Search* search);

class GpuBeamsTest : public ::testing::Test {
 protected:
  using Logits = std::function<std::vector<float>(int step, int64_t row)>;

  void SetUp() override;

  // Some steps, the first of which feeds all prompts. Draws whose order roundings may turn round
  // are made again, with other seeds.
  void ExpectCpuSteps(std::vector<Search> searches, int64_t vocab, int steps, const Logits& logits);

 private:
  struct State;

  StepResult Choose(const std::vector<Search>& searches,
                    const std::vector<std::vector<float>>& scores, bool starts, State* state);
  // Compares what was chosen with the CPU's choice, and lets the host's rows follow that.
  static void ExpectCpuStep(std::vector<Search>* searches, std::vector<std::vector<float>> scores,
                            const StepResult& actual);
  // The state on the GPU is that of the host, but for the ancestry of a token that is not fed yet.
  static void ExpectState(const std::vector<Search>& searches, State* state);

  std::unique_ptr<kernels::cuda::Device> device_;
};

}  // namespace transept
