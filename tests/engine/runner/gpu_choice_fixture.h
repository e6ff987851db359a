// Rows that choose on the GPU and on the CPU alike.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/types/generation.h"
#include "engine/types/result.h"
#include "kernels/cuda/device.h"

namespace transept {

// A row that chooses. Its history has at most 1499 tokens, its source 80.
struct Case {
  DecodeParams params;
  std::vector<TokenId> history = {0};
  std::vector<TokenId> source = {};
  int32_t prompt_length = 1;
  int32_t hypothesis = 0;
  std::vector<float> logits;
};

inline constexpr int32_t kMaxLength = 1500;
inline constexpr int32_t kMaxSource = 80;

std::vector<float> RandomLogits(int64_t vocab, uint32_t seed, float deviation);

class GpuChoiceTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // All cases as rows of one step, in slots that are not their indices: each row is fed its whole
  // history. Checks that the tokens chosen were appended to the histories.
  std::vector<GeneratedToken> ChooseOnGpu(const std::vector<Case>& cases);

  // Waits for the device.
  void Finish();

  void ExpectCpuChoices(const std::vector<Case>& cases);

  std::unique_ptr<kernels::cuda::Device> device_;
};

}  // namespace transept
