// Embedding, norms, gathering of rows.
#include <cstring>
#include <limits>

#include "gmock/gmock.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/simd/rows.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cpu {
namespace {

class RowsTest : public PathTest {};

EncoderInputs TokensOnly(int32_t num_tokens) {
  EncoderInputs inputs;
  inputs.num_tokens = num_tokens;
  return inputs;
}

TEST_P(RowsTest, Embedding) {
  const std::vector<int32_t> ids = {3, 0, 41, 3, 17};
  const std::vector<int32_t> positions = {0, 1, 2, 0, 6};
  EncoderInputs inputs = TokensOnly(5);
  inputs.token_ids = ids.data();
  inputs.positions = positions.data();
  for (const int64_t width : {1, 7, 16, 33, 80}) {
    for (const bool with_positions : {false, true}) {
      SCOPED_TRACE(testing::Message() << "width " << width << " positions " << with_positions);
      Weights table(42, width, dtype(), 1);
      Weights position_table(9, width, DataType::kFloat32, 2);
      Buffer expected(5, width, 3), actual(5, width, 3);
      EmbedOp op;
      op.table = table.matrix();
      if (with_positions) op.positions = position_table.matrix();
      op.position_offset = 2;
      op.scale = 1.5f;
      op.out = expected.view();
      reference::Run(op, Step(inputs));
      op.out = actual.view();
      Execute(op, inputs);
      ExpectNear(actual.values(), expected.values(), tolerance().computed);
      EXPECT_TRUE(actual.GuardsIntact());
    }
  }
}

TEST_P(RowsTest, Norms) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
    for (const int64_t width : {1, 5, 16, 31, 768}) {
      for (const int32_t rows : {0, 1, 9}) {
        SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " width " << width);
        const std::vector<float> weight = RandomFloats(width, 1);
        const std::vector<float> bias = RandomFloats(width, 2);
        Buffer in(rows, width, 3), expected(rows, width, 4), actual(rows, width, 4);
        NormOp op;
        op.kind = kind;
        op.weight = {weight.data(), width};
        if (kind == NormKind::kLayer) op.bias = {bias.data(), width};
        op.output_scale = 0.75f;
        op.in = in.view();
        op.out = expected.view();
        reference::Run(op, Step(TokensOnly(rows)));
        op.out = actual.view();
        Execute(op, TokensOnly(rows));
        // A row of one has no variance: layer norm then divides rounding errors by √eps.
        ExpectNear(actual.values(), expected.values(), 2 * tolerance().computed);
        EXPECT_TRUE(actual.GuardsIntact());
        op.out = in.view();
        Execute(op, TokensOnly(rows));
        EXPECT_EQ(in.values(), actual.values()) << "in place";
      }
    }
  }
}

TEST_P(RowsTest, NormsThatReplaceTheStream) {
  constexpr int32_t kRows = 9;
  for (const NormKind kind : {NormKind::kNone, NormKind::kRms, NormKind::kLayer}) {
    for (const int64_t width : {5, 16, 31}) {
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " width " << width);
      const std::vector<float> weight = RandomFloats(width, 1);
      Buffer stream(kRows, width, 3), expected(kRows, width, 4), actual(kRows, width, 4);
      NormOp op;
      op.kind = kind;
      if (kind != NormKind::kNone) op.weight = {weight.data(), width};
      op.output_scale = 0.75f;
      op.in = stream.view();
      op.out = expected.view();
      reference::Run(op, Step(TokensOnly(kRows)));
      op.out = actual.view();
      op.stream = stream.view();
      Execute(op, TokensOnly(kRows));
      ExpectNear(actual.values(), expected.values(), 2 * tolerance().computed);
      EXPECT_EQ(stream.values(), actual.values());
      EXPECT_TRUE(actual.GuardsIntact() && stream.GuardsIntact());
    }
  }
}

TEST_P(RowsTest, GatherTakesTheLastTokenOfEveryRow) {
  const std::vector<int32_t> query_offsets = {0, 1, 4, 4, 4, 5};
  DecoderInputs inputs;
  inputs.num_rows = 5;
  inputs.num_tokens = 5;
  inputs.query_offsets = query_offsets.data();
  inputs.empty_rows = true;
  Buffer in(5, 19, 1), out(5, 19, 2, Extent::kRows);
  Execute(GatherRowsOp{in.view(), out.view()}, inputs);
  for (const auto& [row, token] : {std::pair{0, 0}, {1, 3}, {2, 3}, {3, 3}, {4, 4}}) {
    for (int64_t i = 0; i < 19; ++i) {
      EXPECT_EQ(out.values()[row * 19 + i], in.values()[token * 19 + i]);
    }
  }
  EXPECT_TRUE(out.GuardsIntact());
}

TEST_P(RowsTest, WritesRoundAsScalarsDo) {
  std::vector<float> values = RandomFloats(1000, 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= i < 900 ? 1.0f : 1e-5f;
  for (const float special : {0.0f, -0.0f, 65504.0f, 0x1.008p0f, 0x1.018p0f, 0x1.002p0f,
                              std::numeric_limits<float>::infinity()}) {
    values.push_back(special);
  }
  const Elements expected(values, dtype());
  Elements actual(std::vector<float>(values.size()), dtype());
  Write(values.data(), values.size(), dtype(), actual.data());
  EXPECT_EQ(actual.ToFloats(), expected.ToFloats());
}

INSTANTIATE_TEST_SUITE_P(Paths, RowsTest, testing::ValuesIn(AllPaths()), NameOf);

}  // namespace
}  // namespace transept::kernels::cpu
