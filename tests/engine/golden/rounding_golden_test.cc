// Half precision: the golden steps, fed a token at a time whatever the runner chooses, may not be
// further off than transformers is when it computes them in the same type.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <tuple>
#include <vector>

#include "engine/checkpoint/checkpoint.h"
#include "engine/engine_options.h"
#include "engine/loaded_model.h"
#include "tests/engine/golden/golden_variant.h"
#include "tests/engine/golden/logits.h"

namespace transept {
namespace {

// Of transformers' own error. A step in dozens may be far off in one implementation and not in the
// other, so the largest error needs the wide margin; those of most steps are alike.
constexpr float kMedianFactor = 1.5f;
constexpr float kLargestFactor = 8.0f;

constexpr int32_t kBlockSize = 4;

std::vector<float> LogSoftmax(const std::vector<float>& logits) {
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(double{logit});
  std::vector<float> result;
  for (const float logit : logits) result.push_back(static_cast<float>(logit - std::log(sum)));
  return result;
}

// One decoder row that is fed given tokens, and the pages it works on.
struct ForcedRow {
  std::vector<TokenId> source;
  std::vector<TokenId> fed;
  std::vector<BlockId> cross_blocks;
  std::vector<BlockId> blocks;
};

class RoundingGoldenTest : public ::testing::TestWithParam<std::tuple<std::string, const char*>> {
 protected:
  void SetUp() override {
    golden_ = LoadGoldenVariant(std::get<0>(GetParam()));
    const std::string dtype = std::get<1>(GetParam());
    const auto rounding = std::find_if(golden_.rounding.begin(), golden_.rounding.end(),
                                       [&](const auto& entry) { return entry.dtype == dtype; });
    ASSERT_NE(rounding, golden_.rounding.end());
    rounding_ = *rounding;
    const auto checkpoint = Checkpoint::Open(golden_.folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    config::EngineConfig config;
    config.device = TRANSEPT_GOLDEN_DEVICE;
    config.dtype = dtype;
    config.kv_cache_dtype = dtype;
    config.threads = 2;
    config.block_size = kBlockSize;
    config.kv_cache_mib = 8;
    config.max_rows = 4;
    config.max_encoder_tokens = 256;
    config.max_source_tokens = 256;
    config.max_new_tokens = 32;
    const auto options = ResolveEngineOptions(config, (*checkpoint)->spec());
    ASSERT_TRUE(options.ok()) << options.status();
    auto loaded = LoadModel(*options, **checkpoint);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    loaded_ = *std::move(loaded);
    for (const GoldenSteps& steps : golden_.steps) {
      rows_.push_back({.source = steps.source,
                       .fed = {(*checkpoint)->spec().decoder_start_token},
                       .cross_blocks = TakeBlocks(steps.source.size()),
                       .blocks = TakeBlocks(steps.tokens.size())});
      rows_.back().fed.insert(rows_.back().fed.end(), steps.tokens.begin(), steps.tokens.end());
    }
  }

  std::vector<BlockId> TakeBlocks(size_t positions) {
    std::vector<BlockId> blocks((positions + kBlockSize - 1) / kBlockSize);
    std::iota(blocks.begin(), blocks.end(), blocks_taken_);
    blocks_taken_ += static_cast<BlockId>(blocks.size());
    return blocks;
  }

  // In a step of its own: rows read a source in a step that awaits the encoder.
  void Encode() {
    StepPlan plan;
    for (const ForcedRow& row : rows_) plan.encode.push_back({row.source, row.cross_blocks});
    const auto ticket = loaded_.runner->Launch(plan);
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    const auto result = loaded_.runner->Collect(*ticket);
    ASSERT_TRUE(result.ok()) << result.status();
  }

  // The log-probabilities of all tokens that each row gives at position `step`.
  std::vector<std::vector<float>> Run(int32_t step) {
    StepPlan plan;
    plan.id = 1 + step;
    plan.awaits_encoder = step == 0;
    for (const ForcedRow& row : rows_) {
      const auto index = static_cast<int32_t>(plan.rows.size());
      plan.sources.push_back({row.cross_blocks, static_cast<int32_t>(row.source.size())});
      RowPlan row_plan;
      row_plan.request = index;
      row_plan.slot = row_plan.source = index;
      row_plan.tokens = absl::MakeConstSpan(row.fed).subspan(step, 1);
      row_plan.first_position = step;
      row_plan.blocks = row.blocks;
      row_plan.params = &params_;
      row_plan.history = absl::MakeConstSpan(row.fed).first(step + 1);
      plan.rows.push_back(row_plan);
    }
    const auto ticket = loaded_.runner->Launch(plan);
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    if (!ticket.ok()) return {};
    const auto result = loaded_.runner->Collect(*ticket);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    std::vector<std::vector<float>> all;
    for (const std::vector<float>& logits :
         ReadLogits(loaded_.model->logits(), static_cast<int64_t>(rows_.size()))) {
      all.push_back(LogSoftmax(logits));
    }
    return all;
  }

  GoldenVariant golden_;
  GoldenRounding rounding_;
  LoadedModel loaded_;
  BlockId blocks_taken_ = 0;
  std::vector<ForcedRow> rows_;
  DecodeParams params_;
};

// What the steps of a variant come to.
struct Deviation {
  std::vector<float> steps;  // root mean square of each
  float largest = 0.0f;
  int decided = 0;  // steps in which the best token leads by more than transformers' largest error
  int agreed = 0;   // and is the best here too

  void Add(const std::vector<float>& expected, const std::vector<float>& actual, float undecided) {
    double squares = 0.0;
    for (size_t i = 0; i < expected.size(); ++i) {
      const float error = std::abs(actual[i] - expected[i]);
      squares += double{error} * error;
      largest = std::max(largest, error);
    }
    steps.push_back(static_cast<float>(std::sqrt(squares / expected.size())));
    const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
    std::vector<float> sorted = expected;
    std::nth_element(sorted.begin(), sorted.begin() + 1, sorted.end(), std::greater<>());
    if (expected[best] - sorted[1] <= undecided) return;
    ++decided;
    agreed += std::max_element(actual.begin(), actual.end()) - actual.begin() == best;
  }

  float Median() {
    std::sort(steps.begin(), steps.end());
    return (steps[(steps.size() - 1) / 2] + steps[steps.size() / 2]) / 2;
  }
};

TEST_P(RoundingGoldenTest, IsNoWorseThanThatOfTransformers) {
  Deviation deviation;
  Encode();
  const size_t num_steps = golden_.steps[0].logits.size();
  for (size_t step = 0; step < num_steps; ++step) {
    const std::vector<std::vector<float>> actual = Run(static_cast<int32_t>(step));
    ASSERT_EQ(actual.size(), golden_.steps.size());
    for (size_t row = 0; row < actual.size(); ++row) {
      deviation.Add(LogSoftmax(golden_.steps[row].logits[step]), actual[row], rounding_.largest);
    }
  }
  const float median = deviation.Median();
  RecordProperty("median_ratio", std::to_string(median / rounding_.median));
  RecordProperty("largest_ratio", std::to_string(deviation.largest / rounding_.largest));
  EXPECT_LE(median, kMedianFactor * rounding_.median);
  EXPECT_LE(deviation.largest, kLargestFactor * rounding_.largest);
  EXPECT_GT(deviation.decided, 0);
  EXPECT_GE(100 * deviation.agreed, 99 * deviation.decided)
      << deviation.agreed << " of " << deviation.decided;
}

INSTANTIATE_TEST_SUITE_P(Variants, RoundingGoldenTest,
                         ::testing::Combine(::testing::ValuesIn(GoldenVariantNames()),
                                            ::testing::Values("bfloat16", "float16")),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param);
                         });

}  // namespace
}  // namespace transept
