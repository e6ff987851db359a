// Which norms are split between their neighbours: a decision of the host, so it needs no GPU.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cuda/fusion.h"
#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

constexpr int64_t kWidth = 160;
constexpr int64_t kRows = 4;
constexpr int kMultiprocessors = 132;

// linear + residual, norm, linear, as a decoder layer has them. Nothing of it runs.
class PlanFusionTest : public testing::TestWithParam<DataType> {
 protected:
  PlanFusionTest() {
    NormOp norm;
    norm.weight = {weights_.data(), kWidth};
    norm.in = hidden_;
    norm.out = normed_;
    program_.operations = {Adder(), norm, MakeLinear(normed_, out_)};
  }

  LinearOp MakeLinear(const Activations& in, const Activations& out) {
    LinearOp linear;
    linear.weight = {weights_.data(), GetParam(), kWidth, kWidth};
    linear.in = in;
    linear.out = out;
    return linear;
  }

  // Adds to the residual stream.
  LinearOp Adder() {
    LinearOp linear = MakeLinear(out_, hidden_);
    linear.residual = hidden_;
    return linear;
  }

  NormOp& norm() { return std::get<NormOp>(program_.operations[1]); }
  LinearOp& last() { return std::get<LinearOp>(program_.operations[2]); }

  bool SplitsTheNorm() {
    const std::vector<PlannedOperation> plan = PlanFusion(program_, kMultiprocessors);
    EXPECT_EQ(plan.size(), 3u);
    const bool splits = plan[1].absorbed_rows > 0;
    for (const NeighbourNorm& neighbour : {plan[0].norms.after, plan[2].norms.before}) {
      EXPECT_EQ(neighbour.norm, splits ? &norm() : nullptr);
      EXPECT_EQ(neighbour.few_rows, plan[1].absorbed_rows);
    }
    return splits;
  }

  void ExpectNothingAbsorbed() {
    for (const PlannedOperation& planned : PlanFusion(program_, kMultiprocessors)) {
      EXPECT_EQ(planned.absorbed_rows, 0);
    }
  }

  std::vector<float> weights_ = std::vector<float>(kWidth * kWidth);
  std::vector<float> buffers_[3] = {std::vector<float>(kRows * kWidth),
                                    std::vector<float>(kRows* kWidth),
                                    std::vector<float>(kRows* kWidth)};
  Activations hidden_{buffers_[0].data(), DataType::kFloat32, kWidth, kWidth, Extent::kTokens};
  Activations normed_{buffers_[1].data(), GetParam(), kWidth, kWidth, Extent::kTokens};
  Activations out_{buffers_[2].data(), GetParam(), kWidth, kWidth, Extent::kTokens};
  Program program_;
};

TEST_P(PlanFusionTest, SplitsNormsInBFloat16Alone) {
  EXPECT_EQ(SplitsTheNorm(), GetParam() == DataType::kBFloat16);
}

TEST_P(PlanFusionTest, LeavesANormThatNobodyBehindItReads) {
  last().in = out_;
  EXPECT_FALSE(SplitsTheNorm());
}

TEST_P(PlanFusionTest, LeavesANormOfWhatNobodyInFrontWrites) {
  norm().in = out_;
  EXPECT_FALSE(SplitsTheNorm());
}

TEST_P(PlanFusionTest, SplitsLayerNorms) {
  norm().kind = NormKind::kLayer;
  EXPECT_EQ(SplitsTheNorm(), GetParam() == DataType::kBFloat16);
}

TEST_P(PlanFusionTest, LeavesConversions) {
  norm().kind = NormKind::kNone;
  EXPECT_FALSE(SplitsTheNorm());
}

// What such a norm leaves is needed whole, unless a linear layer behind it does the same once more.
TEST_P(PlanFusionTest, SplitsNormsThatReplaceTheStreamWhereALayerAddsToIt) {
  norm().stream = hidden_;
  EXPECT_FALSE(SplitsTheNorm());
  program_.operations.push_back(Adder());
  const std::vector<PlannedOperation> plan = PlanFusion(program_, kMultiprocessors);
  EXPECT_EQ(plan[1].absorbed_rows > 0, GetParam() == DataType::kBFloat16);
  EXPECT_EQ(plan[3].norms.residual.norm, plan[1].absorbed_rows > 0 ? &norm() : nullptr);
}

TEST_P(PlanFusionTest, LeavesNormsWhoseStreamIsReadBeforeALayerAddsToIt) {
  norm().stream = hidden_;
  program_.operations.push_back(MakeLinear(hidden_, out_));
  program_.operations.push_back(Adder());
  ExpectNothingAbsorbed();
}

// The sums of a norm whose stream is still to be worked out stay while the next norm's are written.
TEST_P(PlanFusionTest, NormsTakeTurnsWithTheirSums) {
  norm().stream = hidden_;
  program_.operations.push_back(Adder());
  program_.operations.push_back(norm());
  program_.operations.push_back(MakeLinear(normed_, out_));
  program_.operations.push_back(Adder());
  const std::vector<PlannedOperation> plan = PlanFusion(program_, kMultiprocessors);
  if (GetParam() != DataType::kBFloat16) return;
  ASSERT_TRUE(plan[1].absorbed_rows > 0 && plan[4].absorbed_rows > 0);
  EXPECT_EQ(plan[0].norms.after.slot, plan[3].norms.residual.slot);
  EXPECT_NE(plan[3].norms.residual.slot, plan[3].norms.after.slot);
  EXPECT_EQ(plan[3].norms.after.slot, plan[6].norms.residual.slot);
}

// The first half of the norm would overwrite what the layer in front reads.
TEST_P(PlanFusionTest, LeavesANormWhoseResultsLieWhereTheLayerInFrontReads) {
  std::get<LinearOp>(program_.operations[0]).in = normed_;
  EXPECT_FALSE(SplitsTheNorm());
}

// Products of more features are cuBLASLt's, which takes no norms.
TEST_P(PlanFusionTest, LeavesNormsInFrontOfWideLayers) {
  last().weight.rows = last().out.width = kMaxSkinnyFeatures + 1;
  EXPECT_FALSE(SplitsTheNorm());
  last().weight.rows = last().out.width = kMaxSkinnyFeatures;
  EXPECT_EQ(SplitsTheNorm(), GetParam() == DataType::kBFloat16);
}

// All that take part in a norm do so up to the same number of rows: the fewest that any is fit for.
TEST_P(PlanFusionTest, SplitsNormsUpToTheRowsOfTheWidestLayer) {
  if (GetParam() != DataType::kBFloat16) return;
  norm().stream = hidden_;
  program_.operations.push_back(Adder());
  const auto few_rows = [&] {
    const std::vector<PlannedOperation> plan = PlanFusion(program_, kMultiprocessors);
    EXPECT_EQ(plan[0].norms.after.few_rows, plan[1].absorbed_rows);
    EXPECT_EQ(plan[2].norms.before.few_rows, plan[1].absorbed_rows);
    EXPECT_EQ(plan[3].norms.residual.few_rows, plan[1].absorbed_rows);
    return plan[1].absorbed_rows;
  };
  const int64_t of_narrow_layers = few_rows();
  EXPECT_EQ(of_narrow_layers, kMaxSkinnyRows);
  last().weight.rows = last().out.width = 64 * kWidth;
  EXPECT_EQ(few_rows(), FewRowsOf(ProductOf(last(), 1), kMultiprocessors));
  EXPECT_LT(few_rows(), of_narrow_layers);
  last().weight.rows = last().out.width = kWidth;
  std::get<LinearOp>(program_.operations[3]).weight.cols = 64 * kWidth;
  EXPECT_LT(few_rows(), of_narrow_layers);
}

TEST_P(PlanFusionTest, LeavesNormsThatAreReadTwice) {
  norm().stream = hidden_;
  program_.operations.push_back(MakeLinear(normed_, out_));
  program_.operations.push_back(Adder());
  ExpectNothingAbsorbed();
}

// A norm at either end has no neighbour to share with.
TEST_P(PlanFusionTest, LeavesNormsAtTheEnds) {
  program_.operations = {norm(), last(), norm()};
  ExpectNothingAbsorbed();
}

TEST_P(PlanFusionTest, NormsReadWhatIsGatheredWhereItLies) {
  const GatherRowsOp gather{.in = out_, .out = hidden_};
  program_.operations = {gather, norm()};
  std::vector<PlannedOperation> plan = PlanFusion(program_, kMultiprocessors);
  EXPECT_GT(plan[0].absorbed_rows, int64_t{1} << 40);
  EXPECT_EQ(plan[1].gather, &std::get<GatherRowsOp>(program_.operations[0]));
  for (Activations NormOp::*buffer : {&NormOp::in, &NormOp::stream}) {
    program_.operations = {gather, norm()};
    norm().*buffer = normed_;
    ExpectNothingAbsorbed();
  }
  program_.operations = {gather, norm()};
  norm().out = out_;  // where other rows are still to be read
  ExpectNothingAbsorbed();
}

INSTANTIATE_TEST_SUITE_P(Types, PlanFusionTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         [](const auto& info) { return std::string(Name(info.param)); });

}  // namespace
}  // namespace transept::kernels::cuda
