// Matrix products with what is fused to them.
#include "kernels/cpu/reference.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cpu {
namespace {

// Encoder and decoder steps multiply in different ways.
template <typename Inputs>
Inputs TokensOnly(int32_t num_tokens) {
  Inputs inputs;
  inputs.num_tokens = num_tokens;
  return inputs;
}

class LinearTest : public PathTest {
 protected:
  // Runs `op` in both kinds of step and compares op.out with the reference's.
  template <typename Op>
  void Check(Op op, int32_t rows, int64_t out_width) {
    for (const bool encoder : {false, true}) {
      SCOPED_TRACE(encoder ? "encoder" : "decoder");
      Buffer expected(rows, out_width, 3), actual(rows, out_width, 3);
      op.out = expected.view();
      reference::Run(op, Step(TokensOnly<EncoderInputs>(rows)));
      op.out = actual.view();
      if (encoder) {
        Execute(op, TokensOnly<EncoderInputs>(rows));
      } else {
        Execute(op, TokensOnly<DecoderInputs>(rows));
      }
      ExpectNear(actual.values(), expected.values(), tolerance().computed);
      EXPECT_TRUE(actual.GuardsIntact());
    }
  }
};

constexpr ActivationFunction kActivations[] = {
    ActivationFunction::kNone, ActivationFunction::kRelu, ActivationFunction::kGelu,
    ActivationFunction::kGeluTanh, ActivationFunction::kSilu};

struct Shape {
  int32_t rows;
  int64_t out;
  int64_t in;
};

// Around the sizes of tiles (6 by 4, 48 by 8), blocks of columns (48) and rows, runs of k (1024).
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
    LinearOp op;
    op.weight = weight.matrix();
    op.in = in.view();
    Check(op, shape.rows, shape.out);
  }
}

TEST_P(LinearTest, BiasActivationResidual) {
  constexpr int32_t kRows = 7;
  constexpr int64_t kOut = 53, kIn = 40;
  Weights weight(kOut, kIn, dtype(), 1);
  const std::vector<float> bias = RandomFloats(kOut, 2);
  Buffer in(kRows, kIn, 3), residual(kRows, kOut, 4);
  for (const ActivationFunction activation : kActivations) {
    for (const bool with_bias : {false, true}) {
      for (const bool with_residual : {false, true}) {
        SCOPED_TRACE(testing::Message() << "activation " << static_cast<int>(activation) << " bias "
                                        << with_bias << " residual " << with_residual);
        LinearOp op;
        op.weight = weight.matrix();
        if (with_bias) op.bias = {bias.data(), kOut};
        op.activation = activation;
        op.in = in.view();
        if (with_residual) op.residual = residual.view();
        Check(op, kRows, kOut);
      }
    }
  }
}

TEST_P(LinearTest, ResidualMayBeTheOutput) {
  constexpr int32_t kRows = 60;
  constexpr int64_t kOut = 100, kIn = 33;
  Weights weight(kOut, kIn, dtype(), 1);
  Buffer in(kRows, kIn, 2);
  for (const bool encoder : {false, true}) {
    Buffer residual(kRows, kOut, 3), separate(kRows, kOut, 4), same(kRows, kOut, 3);
    const auto run = [&](Buffer& from, Buffer& out) {
      LinearOp op;
      op.weight = weight.matrix();
      op.in = in.view();
      op.residual = from.view();
      op.out = out.view();
      if (encoder) {
        Execute(op, TokensOnly<EncoderInputs>(kRows));
      } else {
        Execute(op, TokensOnly<DecoderInputs>(kRows));
      }
    };
    run(residual, separate);
    run(same, same);
    EXPECT_EQ(same.values(), separate.values());
  }
}

TEST_P(LinearTest, ActivationsFarFromZero) {
  std::vector<float> inputs = {-1e30f, -1e4f, -100.0f, -88.0f, -20.0f, -12.0f, -5.0f,
                               -1e-6f, 0.0f,  1e-6f,   5.0f,   12.0f,  100.0f, 1e30f};
  const int32_t rows = static_cast<int32_t>(inputs.size());
  Elements one({1.0f}, dtype());
  for (const ActivationFunction activation : kActivations) {
    SCOPED_TRACE(static_cast<int>(activation));
    std::vector<float> out(inputs.size());
    LinearOp op;
    op.weight = {one.data(), dtype(), 1, 1};
    op.activation = activation;
    op.in = {inputs.data(), DataType::kFloat32, 1, 1, Extent::kTokens};
    op.out = {out.data(), DataType::kFloat32, 1, 1, Extent::kTokens};
    Execute(op, TokensOnly<DecoderInputs>(rows));
    std::vector<float> expected;
    for (const float x : inputs) expected.push_back(reference::Activate(activation, x));
    ExpectNear(out, expected, 1e-6f);
  }
}

TEST_P(LinearTest, Gated) {
  for (const Shape& shape : kShapes) {
    for (const ActivationFunction activation :
         {ActivationFunction::kGeluTanh, ActivationFunction::kSilu}) {
      SCOPED_TRACE(testing::Message() << shape.rows << " x " << shape.out << " x " << shape.in);
      Weights weight(2 * shape.out, shape.in, dtype(), 1);
      Buffer in(shape.rows, shape.in, 2);
      GatedLinearOp op;
      op.weight = weight.matrix();
      op.activation = activation;
      op.in = in.view();
      Check(op, shape.rows, shape.out);
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
    const std::vector<int64_t> slots = {3,  4,  5,  6,  7,  64, 65, 66, 67, -1,
                                        -1, 70, 71, 72, 73, 74, 75, 76, 31};
    EncoderInputs inputs = TokensOnly<EncoderInputs>(kTokens);
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
  for (const bool encoder : {false, true}) {
    const auto run = [&](int32_t rows) {
      Buffer out(rows, kOut, 3);
      LinearOp op;
      op.weight = weight.matrix();
      op.activation = ActivationFunction::kGelu;
      op.in = in.view();
      op.out = out.view();
      if (encoder) {
        Execute(op, TokensOnly<EncoderInputs>(rows));
      } else {
        Execute(op, TokensOnly<DecoderInputs>(rows));
      }
      return out.values();
    };
    const std::vector<float> all = run(140);
    for (const int32_t rows : {1, 2, 5, 17, 35}) {
      const std::vector<float> some = run(rows);
      EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin())) << rows;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, LinearTest, testing::ValuesIn(AllPaths()), NameOf);

}  // namespace
}  // namespace transept::kernels::cpu
