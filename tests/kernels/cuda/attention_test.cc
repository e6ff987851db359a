// GPU attention against the CPU's reference.
#include <algorithm>

#include "kernels/cpu/reference.h"
#include "tests/kernels/attention_cases.h"
#include "tests/kernels/cuda/gpu.h"

namespace transept::kernels::cuda {
namespace {

using cpu::DecoderCase;
using cpu::Describe;
using cpu::EncoderCase;
using cpu::ExpectNear;
using cpu::QkvWidth;
using cpu::QueryWidth;

class CudaAttentionTest : public GpuTest {};

const AttentionShape kShapes[] = {
    {1, 1, 8, 0.35f},   {2, 2, 12, 1.0f},   {3, 1, 20, 1.0f},   {4, 2, 32, 0.2f},
    {2, 1, 64, 1.0f},   {16, 16, 64, 1.0f}, {2, 2, 80, 0.11f},  {3, 3, 96, 0.1f},
    {2, 2, 128, 0.1f},  {2, 1, 136, 0.09f}, {1, 1, 160, 0.08f}, {1, 1, 192, 0.07f},
    {2, 2, 248, 0.06f}, {1, 1, 256, 0.06f},
};

// The kernels that serve a shape, as engine/attention/cuda_backends.cc says.
std::vector<AttentionKernel> KernelsFor(const AttentionShape& shape, DataType dtype) {
  std::vector<AttentionKernel> kernels = {AttentionKernel::kCudaScalar};
  if (shape.head_size % (16 / SizeOf(dtype)) == 0) kernels.push_back(AttentionKernel::kCuda);
  if (dtype != DataType::kFloat32 && shape.head_size % 8 == 0 && shape.head_size <= 128) {
    kernels.push_back(AttentionKernel::kCudaTensor);
  }
  return kernels;
}

std::string Describe(const AttentionShape& shape, AttentionKernel kernel) {
  return Describe(shape) + ", kernel " + std::to_string(static_cast<int>(kernel));
}

// A bias table on both sides.
class BothBiases {
 public:
  BothBiases(int32_t num_heads, bool bidirectional) : table_(num_heads, bidirectional) {}
  RelativeBias host() const { return table_.view(); }
  RelativeBias device(const float* data) const {
    RelativeBias bias = table_.view();
    bias.table = data;
    return bias;
  }
  const std::vector<float>& values() const { return table_.values; }

 private:
  cpu::BiasTable table_;
};

TEST_P(CudaAttentionTest, Encoder) {
  for (const std::vector<int32_t>& lengths :
       {std::vector<int32_t>{1}, {1, 1, 1}, {17}, {3, 25, 1, 48}, {64, 65}, {200, 7, 128, 70}}) {
    EncoderCase batch(lengths);
    for (const AttentionShape& shape : kShapes) {
      const BothBiases bias(shape.num_heads, true);
      const float* table = Upload(bias.values());
      const int32_t tokens = batch.inputs.num_tokens;
      Tensor qkv = MakeTensor(tokens, QkvWidth(shape), dtype(), 1);
      Tensor expected = MakeTensor(tokens, QueryWidth(shape), DataType::kFloat32, 2);
      EncoderAttentionOp op;
      op.shape = shape;
      op.bias = bias.host();
      op.qkv = qkv.host();
      op.out = expected.host();
      cpu::reference::Run(op, cpu::Step(batch.inputs));
      for (const AttentionKernel kernel : KernelsFor(shape, dtype())) {
        SCOPED_TRACE(Describe(shape, kernel) + ", sources " + testing::PrintToString(lengths));
        const Tensor actual = MakeTensor(tokens, QueryWidth(shape), dtype(), 2);
        op.kernel = kernel;
        op.bias = bias.device(table);
        op.qkv = qkv.device;
        op.out = actual.device;
        Execute(op, batch.inputs);
        ExpectNear(Read(actual), expected.values, tolerance());
      }
    }
  }
}

// A paged cache on both sides.
struct BothPages {
  std::vector<float> host_keys, host_values;
  PagedKv host;
  PagedKv device;
};

class CudaDecoderAttentionTest : public CudaAttentionTest {
 protected:
  BothPages MakePages(int64_t num_blocks, int32_t block_size, const AttentionShape& shape) {
    const int64_t count = num_blocks * block_size * shape.num_kv_heads * shape.head_size;
    BothPages pages;
    pages.host_keys = Rounded(cpu::RandomFloats(count, 11), dtype());
    pages.host_values = Rounded(cpu::RandomFloats(count, 12), dtype());
    pages.host = {pages.host_keys.data(),
                  pages.host_values.data(),
                  DataType::kFloat32,
                  num_blocks,
                  block_size,
                  shape.num_kv_heads,
                  shape.head_size};
    pages.device = pages.host;
    pages.device.keys = UploadAs(pages.host_keys, dtype());
    pages.device.values = UploadAs(pages.host_values, dtype());
    pages.device.dtype = dtype();
    return pages;
  }
  void Reset(const BothPages& original, BothPages* pages) {
    pages->device.keys = UploadAs(original.host_keys, dtype());
    pages->device.values = UploadAs(original.host_values, dtype());
  }

  void ExpectSelf(DecoderCase& batch, const AttentionShape& shape, int32_t block_size,
                  bool with_bias = true) {
    const BothBiases bias(shape.num_heads, false);
    const float* table = Upload(bias.values());
    const int32_t tokens = batch.inputs.num_tokens;
    Tensor qkv = MakeTensor(tokens, QkvWidth(shape), dtype(), 1);
    Tensor expected = MakeTensor(tokens, QueryWidth(shape), DataType::kFloat32, 2);
    const BothPages original = MakePages(batch.tables.end_block, block_size, shape);
    BothPages pages = original;
    pages.host.keys = pages.host_keys.data();
    pages.host.values = pages.host_values.data();
    SelfAttentionOp op;
    op.shape = shape;
    if (with_bias) op.bias = bias.host();
    op.qkv = qkv.host();
    op.cache = pages.host;
    op.out = expected.host();
    cpu::reference::Run(op, cpu::Step(batch.inputs));
    for (const AttentionKernel kernel : KernelsFor(shape, dtype())) {
      SCOPED_TRACE(Describe(shape, kernel) + ", block size " + std::to_string(block_size));
      Reset(original, &pages);
      const Tensor actual = MakeTensor(tokens, QueryWidth(shape), dtype(), 2);
      op.kernel = kernel;
      if (with_bias) op.bias = bias.device(table);
      op.qkv = qkv.device;
      op.cache = pages.device;
      op.out = actual.device;
      Execute(op, batch.inputs);
      ExpectNear(Read(actual), expected.values, tolerance());
      const int64_t count = static_cast<int64_t>(pages.host_keys.size());
      EXPECT_EQ(Download(pages.device.keys, count, dtype()), pages.host_keys);
      EXPECT_EQ(Download(pages.device.values, count, dtype()), pages.host_values);
    }
  }
};

TEST_P(CudaDecoderAttentionTest, Self) {
  const std::vector<DecoderCase::Row> row_sets[] = {
      {{0, 1}},
      {{300, 1}},
      {{15, 1}, {16, 1}, {17, 1}, {0, 1}},
      {{0, 5}, {40, 1}, {3, 30}, {31, 2}, {90, 1}},
      {{0, 4}, {4, 0}, {4, 0}, {7, 1}, {0, 2}, {2, 0}, {2, 0}},  // as many tokens as rows
  };
  for (const int32_t block_size : {1, 16, 5}) {
    for (const std::vector<DecoderCase::Row>& rows : row_sets) {
      DecoderCase batch(rows, block_size);
      for (const AttentionShape& shape : kShapes) ExpectSelf(batch, shape, block_size);
    }
  }
}

// What prefixes, recomputed histories and scored targets make of a step: enough tokens for tensor
// cores, around the edges of their tiles.
TEST_P(CudaDecoderAttentionTest, SelfOfPrefixes) {
  std::vector<std::vector<DecoderCase::Row>> row_sets = {
      {{0, 0}, {70, 65}, {5, 0}, {0, 64}, {129, 1}, {64, 17}, {33, 100}, {4, 0}},
      {{0, 1}, {0, 1}, {300, 63}, {90, 1}, {0, 300}, {63, 1}, {64, 1}, {65, 2}},
      {{0, 40}, {40, 0}, {40, 0}, {40, 0}},  // beams
      {{530, 9}},
  };
  for (const int32_t queries : {4, 15, 16, 17, 63, 64, 65, 128, 129}) {
    row_sets.push_back({{0, queries}});
    row_sets.push_back({{1, queries}, {64, queries}, {0, queries}, {99, queries}});
  }
  row_sets.emplace_back();
  for (int32_t row = 0; row < 12; ++row) {
    row_sets.back().push_back({row % 3 * (row * 53 % 200), row * 37 % 300 + 1});
  }
  const AttentionShape shapes[] = {{2, 1, 8, 0.35f},  {1, 1, 24, 1.0f},  {4, 2, 32, 0.2f},
                                   {3, 3, 40, 0.15f}, {2, 2, 64, 1.0f},  {2, 1, 80, 0.11f},
                                   {1, 1, 128, 0.1f}, {2, 2, 136, 0.1f}, {1, 1, 12, 1.0f}};
  constexpr int32_t kBlockSizes[] = {16, 5, 1};
  for (size_t i = 0; i < row_sets.size(); ++i) {
    const int32_t block_size = kBlockSizes[i % 3];
    DecoderCase batch(row_sets[i], block_size);
    for (size_t j = 0; j < std::size(shapes); ++j) {
      SCOPED_TRACE("rows " + std::to_string(i));
      ExpectSelf(batch, shapes[j], block_size, /*with_bias=*/(i + j) % 4 != 0);
    }
  }
}

// Pasts that several blocks share, and others of the same step that are not worth it.
TEST_P(CudaDecoderAttentionTest, SelfOfLongPasts) {
  for (const AttentionShape& shape : kShapes) {
    DecoderCase batch({{4100, 1}, {90, 1}, {2047, 1}, {2048, 1}, {0, 1}, {1023, 1}}, 16);
    ExpectSelf(batch, shape, 16);
  }
}

// More rows and heads than blocks of their own could run at once; one past longer than the others.
TEST_P(CudaDecoderAttentionTest, SelfOfManyRows) {
  for (const AttentionShape& shape : kShapes) {
    const int32_t count = 4 * device().multiprocessors() / shape.num_heads + 1;
    std::vector<DecoderCase::Row> rows;
    for (int32_t row = 0; row < count; ++row) rows.push_back({row * 37 % 90, 1});
    rows.back().past = 530;
    DecoderCase one_token_each(rows, 16);
    ExpectSelf(one_token_each, shape, 16);
    rows[count / 2].queries = 21;
    DecoderCase with_a_prefix(rows, 5);
    ExpectSelf(with_a_prefix, shape, 5);
  }
}

// Groups of three beams whose pasts cross, as beam search leaves them.
struct Beams {
  static constexpr int32_t kPast = 37;
  static constexpr int64_t kStride = 50;

  // Makes the first 3 * groups rows of `batch` beams; `slots`: one for each row.
  Beams(int32_t groups, std::vector<int32_t> beam_slots, DecoderCase* batch)
      : ancestry(beam_slots.size() * kStride), slots(std::move(beam_slots)) {
    for (int32_t row = 0; row < 3 * groups; ++row) {
      for (int32_t position = 0; position < kPast; ++position) {
        const int32_t writers[] = {position < 20 ? 0 : 2, (position + row / 3) % 3,
                                   position < 36 ? 0 : 1};
        ancestry[slots[row] * kStride + position] = static_cast<int8_t>(writers[row % 3] - row % 3);
      }
    }
    batch->inputs.ancestry = ancestry.data();
    batch->inputs.beam_slots = slots.data();
    batch->inputs.ancestry_stride = kStride;
  }

  std::vector<int8_t> ancestry;
  std::vector<int32_t> slots;
};

TEST_P(CudaDecoderAttentionTest, SelfReadsThroughTheAncestry) {
  constexpr int32_t kPast = Beams::kPast;
  for (const int32_t queries : {1, 2}) {
    DecoderCase batch({{kPast, 1}, {kPast, 1}, {kPast, 1}, {4, queries}}, 16);
    const Beams beams(1, {2, 0, 3, -1}, &batch);
    ExpectSelf(batch, {4, 2, 24, 1.0f}, 16);
  }
  DecoderCase prefixes({{kPast, 13}, {kPast, 1}, {kPast, 5}, {4, 70}}, 16);
  const Beams beams(1, {2, 0, 3, -1}, &prefixes);
  ExpectSelf(prefixes, {4, 2, 24, 1.0f}, 16);
}

TEST_P(CudaDecoderAttentionTest, SelfOfManyBeamsReadsThroughTheAncestry) {
  const AttentionShape shape = {8, 8, 64, 1.0f};
  const int32_t groups = 4 * device().multiprocessors() / (3 * shape.num_heads) + 1;
  DecoderCase batch(std::vector<DecoderCase::Row>(3 * groups + 1, {Beams::kPast, 1}), 16);
  std::vector<int32_t> slots(3 * groups + 1);
  for (int32_t row = 0; row < 3 * groups; ++row) slots[row] = 3 * groups - 1 - row;
  slots.back() = -1;
  const Beams beams(groups, slots, &batch);
  ExpectSelf(batch, shape, 16);
}

class CudaCrossAttentionTest : public CudaDecoderAttentionTest {
 protected:
  struct Case {
    std::vector<int32_t> lengths;
    std::vector<int32_t> rows_of_source;
    std::vector<int32_t> queries_of_row;
  };

  void ExpectCross(const Case& c, const AttentionShape& shape, int32_t block_size,
                   const std::vector<AttentionKernel>& kernels) {
    const std::vector<int32_t> query_offsets = cpu::OffsetsOf(c.queries_of_row);
    const cpu::SourcesCase sources(c.lengths, c.rows_of_source, block_size, 1, 5);
    DecoderInputs inputs;
    inputs.num_rows = static_cast<int32_t>(c.queries_of_row.size());
    inputs.num_tokens = query_offsets.back();
    inputs.query_offsets = query_offsets.data();
    inputs.empty_rows = std::count(c.queries_of_row.begin(), c.queries_of_row.end(), 0) > 0;
    sources.AddTo(&inputs);
    Tensor query = MakeTensor(inputs.num_tokens, QueryWidth(shape), dtype(), 1);
    Tensor expected = MakeTensor(inputs.num_tokens, QueryWidth(shape), DataType::kFloat32, 2);
    BothPages pages = MakePages(sources.tables.end_block, block_size, shape);
    CrossAttentionOp op;
    op.shape = shape;
    op.cache = pages.host;
    op.query = query.host();
    op.out = expected.host();
    cpu::reference::Run(op, cpu::Step(inputs));
    for (const AttentionKernel kernel : kernels) {
      SCOPED_TRACE(Describe(shape, kernel) + ", block size " + std::to_string(block_size));
      const Tensor actual = MakeTensor(inputs.num_tokens, QueryWidth(shape), dtype(), 2);
      op.kernel = kernel;
      op.cache = pages.device;
      op.query = query.device;
      op.out = actual.device;
      Execute(op, inputs);
      ExpectNear(Read(actual), expected.values, tolerance());
    }
  }
};

TEST_P(CudaCrossAttentionTest, FewSources) {
  const Case cases[] = {
      {{1, 16, 0, 17, 100}, {1, 4, 2, 0, 3}, {1, 1, 1, 1, 1, 2, 1, 1, 30, 1}},
      {{250, 33}, {9, 17}, std::vector<int32_t>(26, 1)},
      {{513}, {1}, {1}},
      {{600, 40, 1030}, {1, 2, 1}, {1, 1, 1, 1}},  // not all of several blocks have keys
      {{40, 1, 700, 0}, {1, 1, 1, 1}, {1, 1, 1, 1}},
      {{4100, 511, 2047, 1025}, {1, 1, 2, 1}, {1, 1, 1, 1, 1}},  // several blocks for some
      {{70, 40, 33}, {3, 1, 2}, {3, 0, 0, 1, 2, 0}},             // as many tokens as rows
  };
  for (const Case& c : cases) {
    for (const int32_t block_size : {16, 3}) {
      for (const AttentionShape& shape : kShapes) {
        ExpectCross(c, shape, block_size, KernelsFor(shape, dtype()));
      }
    }
  }
}

// So many sources and heads to each multiprocessor that four, two, or one of a block's warps share
// them. The first source is longer than a warp's lanes know the tiles of; the last have no rows.
TEST_P(CudaCrossAttentionTest, ManySources) {
  constexpr int32_t kLengths[] = {70, 3, 16, 130, 64, 17, 1, 0, 90, 33, 48, 111};
  constexpr int32_t kRows[] = {1, 4, 1, 0, 2, 17, 1, 1, 9};
  for (const int32_t pairs_each : {2, 6, 10}) {
    for (const AttentionShape& shape : kShapes) {
      if (KernelsFor(shape, dtype()).back() != AttentionKernel::kCudaTensor) continue;
      const int32_t sources = pairs_each * device().multiprocessors() / shape.num_heads + 1;
      for (const bool one_token_each : {true, false}) {
        Case c;
        for (int32_t source = 0; source < sources; ++source) {
          const int32_t rows = source + 4 < sources ? kRows[source % 9] : 0;
          c.lengths.push_back(source == 0 ? 2100 : kLengths[source % 12]);
          c.rows_of_source.push_back(rows);
          c.queries_of_row.insert(c.queries_of_row.end(), rows, 1);
        }
        if (!one_token_each) c.queries_of_row[0] = 18;
        SCOPED_TRACE(std::to_string(sources) + " sources");
        ExpectCross(c, shape, one_token_each ? 16 : 3, {AttentionKernel::kCudaTensor});
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaAttentionTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Types, CudaDecoderAttentionTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Types, CudaCrossAttentionTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
