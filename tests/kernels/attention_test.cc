#include <algorithm>
#include <numeric>

#include "kernels/cpu/reference.h"
#include "tests/kernels/attention_cases.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cpu {
namespace {

class AttentionTest : public PathTest {};

// Head sizes that fill vectors, that do not, and groups of heads that share keys.
const AttentionShape kShapes[] = {
    {1, 1, 8, 0.35f}, {2, 2, 12, 1.0f},  {3, 1, 20, 1.0f},  {4, 2, 32, 0.2f},
    {2, 1, 64, 1.0f}, {30, 1, 16, 1.0f}, {2, 2, 80, 0.11f}, {1, 1, 256, 0.06f},
};

TEST_P(AttentionTest, Encoder) {
  if (dtype() != DataType::kFloat32) GTEST_SKIP() << "there is no cache";
  for (const std::vector<int32_t>& lengths :
       {std::vector<int32_t>{}, {1}, {1, 1, 1}, {17}, {3, 0, 25, 1, 48}, {24, 23, 70}}) {
    EncoderCase batch(lengths);
    for (const AttentionShape& shape : kShapes) {
      for (const bool with_bias : {false, true}) {
        SCOPED_TRACE(Describe(shape) + ", sources " + testing::PrintToString(lengths));
        const BiasTable bias(shape.num_heads, true);
        const int32_t tokens = batch.inputs.num_tokens;
        Buffer qkv(tokens, QkvWidth(shape), 1);
        Buffer expected(tokens, QueryWidth(shape), 2), actual(tokens, QueryWidth(shape), 2);
        EncoderAttentionOp op;
        op.kernel = AttentionKernel::kSimd;
        op.shape = shape;
        if (with_bias) op.bias = bias.view();
        op.qkv = qkv.view();
        op.out = expected.view();
        reference::Run(op, Step(batch.inputs));
        op.out = actual.view();
        Execute(op, batch.inputs);
        ExpectNear(actual.values(), expected.values(), tolerance().computed);
        EXPECT_TRUE(actual.GuardsIntact());
      }
    }
  }
}

TEST_P(AttentionTest, SourcesDoNotDependOnTheirNeighbours) {
  if (dtype() != DataType::kFloat32) GTEST_SKIP() << "there is no cache";
  const AttentionShape shape{2, 1, 20, 1.0f};
  const BiasTable bias(shape.num_heads, true);
  EncoderCase batch({37, 5, 61});
  const int32_t tokens = batch.inputs.num_tokens;
  Buffer qkv(tokens, QkvWidth(shape), 1), out(tokens, QueryWidth(shape), 2);
  EncoderAttentionOp op;
  op.kernel = AttentionKernel::kSimd;
  op.shape = shape;
  op.bias = bias.view();
  op.qkv = qkv.view();
  op.out = out.view();
  Execute(op, batch.inputs);
  for (int source = 0; source < 3; ++source) {
    const int32_t begin = batch.offsets[source];
    const int32_t length = batch.offsets[source + 1] - begin;
    EncoderCase alone({length});
    Buffer alone_out(length, QueryWidth(shape), 3);
    op.qkv.data = static_cast<float*>(qkv.view().data) + begin * op.qkv.stride;
    op.out = alone_out.view();
    Execute(op, alone.inputs);
    const std::vector<float> all = out.values(), values = alone_out.values();
    EXPECT_TRUE(std::equal(values.begin(), values.end(), all.begin() + begin * QueryWidth(shape)));
  }
}

const std::vector<DecoderCase::Row> kRowSets[] = {
    {},
    {{0, 1}},
    {{15, 1}, {16, 1}, {17, 1}, {0, 1}},
    {{0, 5}, {40, 1}, {3, 30}, {31, 2}, {90, 1}},
    {{0, 4}, {4, 0}, {4, 0}, {7, 1}, {0, 2}, {2, 0}, {2, 0}},  // as many tokens as rows
};

TEST_P(AttentionTest, DecoderSelf) {
  for (const int32_t block_size : {1, 16, 5}) {
    for (const std::vector<DecoderCase::Row>& rows : kRowSets) {
      DecoderCase batch(rows, block_size);
      for (const AttentionShape& shape : kShapes) {
        for (const bool with_bias : {false, true}) {
          SCOPED_TRACE(Describe(shape) + ", rows " + std::to_string(rows.size()) + ", block size " +
                       std::to_string(block_size));
          const BiasTable bias(shape.num_heads, false);
          const int32_t tokens = batch.inputs.num_tokens;
          Buffer qkv(tokens, QkvWidth(shape), 1);
          Buffer expected(tokens, QueryWidth(shape), 2), actual(tokens, QueryWidth(shape), 2);
          Pages expected_pages(batch.tables.end_block, block_size, shape, dtype(), 3);
          Pages actual_pages(batch.tables.end_block, block_size, shape, dtype(), 3);
          SelfAttentionOp op;
          op.kernel = AttentionKernel::kSimd;
          op.shape = shape;
          if (with_bias) op.bias = bias.view();
          op.qkv = qkv.view();
          op.cache = expected_pages.view();
          op.out = expected.view();
          reference::Run(op, Step(batch.inputs));
          op.cache = actual_pages.view();
          op.out = actual.view();
          Execute(op, batch.inputs);
          ExpectNear(actual.values(), expected.values(), tolerance().stored);
          ExpectNear(actual_pages.keys(), expected_pages.keys(), tolerance().stored);
          ExpectNear(actual_pages.values(), expected_pages.values(), tolerance().stored);
          EXPECT_TRUE(actual.GuardsIntact());
        }
      }
    }
  }
}

// Three beams whose pasts cross, as beam search leaves them.
TEST_P(AttentionTest, DecoderSelfReadsThroughTheAncestry) {
  constexpr int32_t kPast = 37;
  DecoderCase batch({{kPast, 1}, {kPast, 1}, {kPast, 1}, {4, 2}}, 16);
  constexpr int64_t kStride = 50;
  std::vector<int8_t> ancestry(4 * kStride);
  const std::vector<int32_t> slots = {2, 0, 3, -1};
  for (int32_t position = 0; position < kPast; ++position) {
    const int32_t writers[] = {position < 20 ? 0 : 2, position % 3, position < 36 ? 0 : 1};
    for (int row = 0; row < 3; ++row) {
      ancestry[slots[row] * kStride + position] = static_cast<int8_t>(writers[row] - row);
    }
  }
  batch.inputs.ancestry = ancestry.data();
  batch.inputs.beam_slots = slots.data();
  batch.inputs.ancestry_stride = kStride;

  const AttentionShape shape{4, 2, 20, 1.0f};
  const BiasTable bias(shape.num_heads, false);
  Buffer qkv(5, QkvWidth(shape), 1);
  Buffer expected(5, QueryWidth(shape), 2), actual(5, QueryWidth(shape), 2);
  Pages pages(batch.tables.end_block, 16, shape, dtype(), 3);
  SelfAttentionOp op;
  op.kernel = AttentionKernel::kSimd;
  op.shape = shape;
  op.bias = bias.view();
  op.qkv = qkv.view();
  op.cache = pages.view();
  op.out = expected.view();
  reference::Run(op, Step(batch.inputs));
  op.out = actual.view();
  Execute(op, batch.inputs);
  ExpectNear(actual.values(), expected.values(), tolerance().stored);
}

TEST_P(AttentionTest, Cross) {
  const std::vector<int32_t> lengths = {1, 16, 0, 17, 100};
  const std::vector<int32_t> rows_of_source = {1, 4, 2, 0, 3};
  const std::vector<int32_t> queries_of_row = {1, 1, 1, 1, 1, 2, 1, 1, 30, 1};
  const std::vector<int32_t> query_offsets = OffsetsOf(queries_of_row);
  for (const int32_t block_size : {16, 3}) {
    const SourcesCase sources(lengths, rows_of_source, block_size, 1, 5);
    DecoderInputs inputs;
    inputs.num_rows = static_cast<int32_t>(queries_of_row.size());
    inputs.num_tokens = query_offsets.back();
    inputs.query_offsets = query_offsets.data();
    sources.AddTo(&inputs);
    for (const AttentionShape& shape : kShapes) {
      SCOPED_TRACE(Describe(shape) + ", block size " + std::to_string(block_size));
      const int32_t tokens = inputs.num_tokens;
      Buffer query(tokens, QueryWidth(shape), 1);
      Buffer expected(tokens, QueryWidth(shape), 2), actual(tokens, QueryWidth(shape), 2);
      Pages pages(sources.tables.end_block, block_size, shape, dtype(), 3);
      CrossAttentionOp op;
      op.kernel = AttentionKernel::kSimd;
      op.shape = shape;
      op.cache = pages.view();
      op.query = query.view();
      op.out = expected.view();
      reference::Run(op, Step(inputs));
      op.out = actual.view();
      Execute(op, inputs);
      ExpectNear(actual.values(), expected.values(), tolerance().computed);
      EXPECT_TRUE(actual.GuardsIntact());
    }
  }
}

// Scores far beyond what e^x holds in float32.
TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  const AttentionShape shape{1, 1, 16, 500.0f};
  EncoderCase batch({40});
  Buffer qkv(40, QkvWidth(shape), 1);
  Buffer expected(40, 16, 2), actual(40, 16, 2);
  EncoderAttentionOp op;
  op.kernel = AttentionKernel::kSimd;
  op.shape = shape;
  op.qkv = qkv.view();
  op.out = expected.view();
  reference::Run(op, Step(batch.inputs));
  op.out = actual.view();
  Execute(op, batch.inputs);
  // A score of 1000 has an error of 1e-4, which is that of its exponential.
  ExpectNear(actual.values(), expected.values(), 2e-3f);
}

INSTANTIATE_TEST_SUITE_P(Paths, AttentionTest, testing::ValuesIn(AllPaths()), NameOf);

}  // namespace
}  // namespace transept::kernels::cpu
