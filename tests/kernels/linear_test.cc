// Matrix products with what is fused to them.
#include "kernels/cpu/reference.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cpu {
namespace {

class LinearTest : public PathTest {};

EncoderInputs TokensOnly(int32_t num_tokens) {
  EncoderInputs inputs;
  inputs.num_tokens = num_tokens;
  return inputs;
}

struct Shape {
  int32_t rows;
  int64_t out;
  int64_t in;
};

// Around the sizes of tiles (6 by 4), blocks of columns (48), blocks of rows, runs of k (1024).
const Shape kShapes[] = {
    {0, 8, 8},     {1, 1, 1},    {1, 3, 5},     {1, 48, 64},    {2, 49, 17},
    {5, 4, 32},    {6, 7, 33},   {7, 96, 48},   {8, 100, 100},  {13, 50, 31},
    {25, 5, 1025}, {3, 9, 2048}, {49, 6, 4100}, {130, 10, 767},
};

TEST_P(LinearTest, MatchesTheReference) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " x " << shape.out << " x " << shape.in);
    Weights weight(shape.out, shape.in, dtype(), 1);
    Buffer in(shape.rows, shape.in, 2);
    Buffer expected(shape.rows, shape.out, 3), actual(shape.rows, shape.out, 3);
    LinearOp op;
    op.weight = weight.matrix();
    op.in = in.view();
    op.out = expected.view();
    reference::Run(op, Step(TokensOnly(shape.rows)));
    op.out = actual.view();
    Execute(op, TokensOnly(shape.rows));
    ExpectNear(actual.values(), expected.values(), tolerance().computed);
    EXPECT_TRUE(actual.GuardsIntact());
  }
}

TEST_P(LinearTest, Epilogues) {
  constexpr int32_t kRows = 7;
  constexpr int64_t kOut = 53, kIn = 40;
  Weights weight(kOut, kIn, dtype(), 1);
  const std::vector<float> bias = RandomFloats(kOut, 2);
  Buffer in(kRows, kIn, 3);
  for (const ActivationFunction activation :
       {ActivationFunction::kNone, ActivationFunction::kRelu, ActivationFunction::kGelu,
        ActivationFunction::kGeluTanh, ActivationFunction::kSilu}) {
    for (const bool with_bias : {false, true}) {
      for (const char* residual : {"none", "other", "out"}) {
        SCOPED_TRACE(testing::Message() << "activation " << static_cast<int>(activation) << " bias "
                                        << with_bias << " residual " << residual);
        Buffer other(kRows, kOut, 4);
        Buffer expected(kRows, kOut, 5), actual(kRows, kOut, 5);
        LinearOp op;
        op.weight = weight.matrix();
        if (with_bias) op.bias = {bias.data(), kOut};
        op.activation = activation;
        op.in = in.view();
        const auto run_into = [&](Buffer& out, const auto& run) {
          op.out = out.view();
          if (residual == std::string("other")) op.residual = other.view();
          if (residual == std::string("out")) op.residual = out.view();
          run(op);
        };
        run_into(expected, [](const LinearOp& o) { reference::Run(o, Step(TokensOnly(kRows))); });
        run_into(actual, [&](const LinearOp& o) { Execute(o, TokensOnly(kRows)); });
        ExpectNear(actual.values(), expected.values(), tolerance().computed);
        EXPECT_TRUE(actual.GuardsIntact());
      }
    }
  }
}

TEST_P(LinearTest, Gated) {
  for (const Shape& shape : kShapes) {
    for (const ActivationFunction activation :
         {ActivationFunction::kGeluTanh, ActivationFunction::kSilu}) {
      SCOPED_TRACE(testing::Message() << shape.rows << " x " << shape.out << " x " << shape.in);
      Weights weight(2 * shape.out, shape.in, dtype(), 1);
      Buffer in(shape.rows, shape.in, 2);
      Buffer expected(shape.rows, shape.out, 3), actual(shape.rows, shape.out, 3);
      GatedLinearOp op;
      op.weight = weight.matrix();
      op.activation = activation;
      op.in = in.view();
      op.out = expected.view();
      reference::Run(op, Step(TokensOnly(shape.rows)));
      op.out = actual.view();
      Execute(op, TokensOnly(shape.rows));
      ExpectNear(actual.values(), expected.values(), tolerance().computed);
      EXPECT_TRUE(actual.GuardsIntact());
    }
  }
}

TEST_P(LinearTest, CrossKeysAndValuesLandInTheirSlots) {
  constexpr int kLayers = 3;
  constexpr int64_t kModel = 24;
  constexpr int32_t kTokens = 19;
  for (const int32_t head_size : {8, 12, 20, 64}) {
    SCOPED_TRACE(head_size);
    const AttentionShape shape{4, 2, head_size, 1.0f};
    const int64_t width = 2 * shape.num_kv_heads * head_size;
    Weights weight(kLayers * width, kModel, dtype(), 1);
    const std::vector<float> bias = RandomFloats(kLayers * width, 2);
    Buffer in(kTokens, kModel, 3), scratch(kTokens, width, 4);
    const std::vector<int64_t> slots = {3,  4,  5,  6,  7,  64, 65, 66, 67, 68,
                                        69, 70, 71, 72, 73, 74, 75, 76, 31};
    EncoderInputs inputs = TokensOnly(kTokens);
    inputs.cross_slots = slots.data();
    std::vector<Pages> expected, actual;
    for (int layer = 0; layer < kLayers; ++layer) {
      expected.emplace_back(5, 16, shape, dtype(), 100 + layer);
      actual.emplace_back(5, 16, shape, dtype(), 100 + layer);
    }
    ProjectCrossKvOp op;
    op.weight = weight.matrix();
    op.bias = {bias.data(), kLayers * width};
    op.in = in.view();
    op.scratch = scratch.view();
    for (Pages& pages : expected) op.caches.push_back(pages.view());
    reference::Run(op, Step(inputs));
    op.caches.clear();
    for (Pages& pages : actual) op.caches.push_back(pages.view());
    Execute(op, inputs);
    for (int layer = 0; layer < kLayers; ++layer) {
      ExpectNear(actual[layer].keys(), expected[layer].keys(), tolerance().stored);
      ExpectNear(actual[layer].values(), expected[layer].values(), tolerance().stored);
    }
    EXPECT_TRUE(scratch.GuardsIntact());
  }
}

// To the last bit: what else is multiplied must not change a row.
TEST_P(LinearTest, RowsDoNotDependOnTheirNeighbours) {
  constexpr int64_t kOut = 70, kIn = 1100;
  Weights weight(kOut, kIn, dtype(), 1);
  Buffer in(140, kIn, 2);
  Buffer all(140, kOut, 3);
  LinearOp op;
  op.weight = weight.matrix();
  op.activation = ActivationFunction::kGelu;
  op.in = in.view();
  op.out = all.view();
  Execute(op, TokensOnly(140));
  const std::vector<float> expected = all.values();
  for (const int32_t rows : {1, 2, 5, 11}) {
    Buffer some(rows, kOut, 3);
    op.out = some.view();
    Execute(op, TokensOnly(rows));
    const std::vector<float> values = some.values();
    EXPECT_TRUE(std::equal(values.begin(), values.end(), expected.begin())) << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, LinearTest, testing::ValuesIn(AllPaths()), NameOf);

}  // namespace
}  // namespace transept::kernels::cpu
