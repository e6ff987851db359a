// GPU operations on single rows.
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/reference.h"
#include "kernels/cuda/pool.h"
#include "kernels/cuda/select.h"
#include "tests/kernels/cuda/gpu.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

using cpu::ExpectNear;

class CudaRowsTest : public GpuTest {};

TEST_P(CudaRowsTest, Embed) {
  constexpr int32_t kTokens = 9, kVocab = 50, kWidth = 72, kPositions = 20;
  const Weight table = MakeWeight(kVocab, kWidth, 1);
  const std::vector<float> positions = cpu::RandomFloats(kPositions * kWidth, 2);
  const std::vector<int32_t> ids = {3, 0, 49, 3, 7, 8, 9, 10, 11};
  const std::vector<int32_t> at = {0, 1, 2, 17, 0, 1, 2, 3, 4};
  EncoderInputs inputs;
  inputs.num_tokens = kTokens;
  inputs.token_ids = ids.data();
  inputs.positions = at.data();
  for (const bool with_positions : {false, true}) {
    Tensor expected = MakeTensor(kTokens, kWidth, DataType::kFloat32, 3);
    const Tensor actual = MakeTensor(kTokens, kWidth, DataType::kFloat32, 3);
    EmbedOp op;
    op.scale = 8.0f;
    op.position_offset = 2;
    op.table = table.host();
    const auto table_of = [](const float* data) {
      return Matrix{data, DataType::kFloat32, kPositions, kWidth};
    };
    if (with_positions) op.positions = table_of(positions.data());
    op.out = expected.host();
    cpu::reference::Run(op, cpu::Step(inputs));
    op.table = table.device;
    if (with_positions) op.positions = table_of(Upload(positions));
    op.out = actual.device;
    Execute(op, inputs);
    ExpectNear(Read(actual), expected.values, 1e-6f);
  }
}

constexpr int32_t kManyRows = 3000;  // more than blocks run at once

TEST_P(CudaRowsTest, Norm) {
  for (const int64_t width : {8, 100, 1024, 5000}) {
    const std::vector<float> weight = cpu::RandomFloats(width, 4),
                             bias = cpu::RandomFloats(width, 5);
    for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
      const int32_t rows = width == 100 ? kManyRows : 5;
      EncoderInputs inputs;
      inputs.num_tokens = rows;
      Tensor in = MakeTensor(rows, width, DataType::kFloat32, 1);
      Tensor expected = MakeTensor(rows, width, DataType::kFloat32, 2);
      const Tensor actual = MakeTensor(rows, width, dtype(), 2);
      NormOp op;
      op.kind = kind;
      op.output_scale = 0.25f;
      op.weight = {weight.data(), width};
      if (kind == NormKind::kLayer) op.bias = {bias.data(), width};
      op.in = in.host();
      op.out = expected.host();
      cpu::reference::Run(op, cpu::Step(inputs));
      op.weight = UploadVector(weight);
      if (kind == NormKind::kLayer) op.bias = UploadVector(bias);
      op.in = in.device;
      op.out = actual.device;
      Execute(op, inputs);
      ExpectNear(Read(actual), expected.values, tolerance());
    }
  }
}

TEST_P(CudaRowsTest, NormsThatReplaceTheStream) {
  constexpr int64_t kWidth = 600;
  EncoderInputs inputs;
  inputs.num_tokens = kManyRows;
  const std::vector<float> weight = cpu::RandomFloats(kWidth, 4);
  for (const NormKind kind : {NormKind::kNone, NormKind::kRms, NormKind::kLayer}) {
    Tensor stream = MakeTensor(kManyRows, kWidth, DataType::kFloat32, 1);
    Tensor expected = MakeTensor(kManyRows, kWidth, DataType::kFloat32, 2);
    const Tensor actual = MakeTensor(kManyRows, kWidth, dtype(), 2);
    NormOp op;
    op.kind = kind;
    op.output_scale = 0.25f;
    if (kind != NormKind::kNone) op.weight = {weight.data(), kWidth};
    op.in = stream.host();
    op.out = expected.host();
    cpu::reference::Run(op, cpu::Step(inputs));
    if (kind != NormKind::kNone) op.weight = UploadVector(weight);
    op.in = op.stream = stream.device;
    op.out = actual.device;
    Execute(op, inputs);
    ExpectNear(Read(actual), expected.values, tolerance());
    ExpectNear(Read(stream), expected.values, 1e-5f);
  }
}

// Five rows of six query tokens.
DecoderInputs UnevenRows() {
  static constexpr int32_t kOffsets[] = {0, 1, 5, 5, 5, 6};
  DecoderInputs inputs;
  inputs.num_rows = 5;
  inputs.num_tokens = 6;
  inputs.query_offsets = kOffsets;
  inputs.empty_rows = true;
  return inputs;
}

TEST_P(CudaRowsTest, GathersTheLastTokenOfEachRow) {
  const DecoderInputs inputs = UnevenRows();
  Tensor in = MakeTensor(6, 40, DataType::kFloat32, 1);
  Tensor expected = MakeTensor(5, 40, DataType::kFloat32, 2, Extent::kRows);
  const Tensor actual = MakeTensor(5, 40, DataType::kFloat32, 2, Extent::kRows);
  GatherRowsOp op;
  op.in = in.host();
  op.out = expected.host();
  cpu::reference::Run(op, cpu::Step(inputs));
  op.in = in.device;
  op.out = actual.device;
  Execute(op, inputs);
  EXPECT_EQ(Read(actual), expected.values);
}

TEST_P(CudaRowsTest, NormsOfGatheredRows) {
  const DecoderInputs inputs = UnevenRows();
  for (const int64_t width : {40, 5000}) {
    const std::vector<float> weight = cpu::RandomFloats(width, 4);
    for (const NormKind kind : {NormKind::kNone, NormKind::kRms}) {
      Tensor in = MakeTensor(6, width, DataType::kFloat32, 1);
      Tensor rows = MakeTensor(5, width, DataType::kFloat32, 2, Extent::kRows);
      Tensor expected = MakeTensor(5, width, DataType::kFloat32, 3, Extent::kRows);
      const Tensor actual = MakeTensor(5, width, dtype(), 3, Extent::kRows);
      NormOp norm;
      norm.kind = kind;
      if (kind != NormKind::kNone) norm.weight = {weight.data(), width};
      norm.in = rows.host();
      norm.out = expected.host();
      const cpu::Step step(inputs);
      cpu::reference::Run(GatherRowsOp{.in = in.host(), .out = rows.host()}, step);
      cpu::reference::Run(norm, step);
      if (kind != NormKind::kNone) norm.weight = UploadVector(weight);
      norm.in = rows.device;
      norm.out = actual.device;
      Execute({.operations = {GatherRowsOp{.in = in.device, .out = rows.device}, norm}}, inputs);
      ExpectNear(Read(actual), expected.values, tolerance());
    }
  }
}

TEST_P(CudaRowsTest, PoolsRows) {
  constexpr int64_t kRows = 40, kWidth = 200;
  Tensor in = MakeTensor(kRows, kWidth, dtype(), 1);
  const std::vector<TokenRange> ranges = {{0, 40}, {39, 40}, {3, 5}, {0, 1}};
  std::vector<float> expected;
  for (const TokenRange& range : ranges) {
    for (int64_t i = 0; i < kWidth; ++i) {
      double sum = 0.0;
      for (int64_t row = range.begin; row < range.end; ++row) sum += in.values[row * kWidth + i];
      expected.push_back(static_cast<float>(sum / (range.end - range.begin)));
    }
  }
  float* const out = Upload(std::vector<float>(expected.size(), -7.0f));
  Finish();  // the copies
  PoolRows({.in = in.device,
            .ranges = Upload(ranges),
            .num_ranges = static_cast<int64_t>(ranges.size()),
            .out = out},
           device());
  Finish();
  ExpectNear(Download(out, static_cast<int64_t>(expected.size()), DataType::kFloat32), expected,
             1e-5f);
}

// Logits as they come, and such as no model should make.
TEST_P(CudaRowsTest, ScoresTokens) {
  constexpr int64_t kRows = 5, kVocab = 1200;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Tensor logits = MakeTensor(kRows, kVocab, DataType::kFloat32, 1, Extent::kRows);
  const std::vector<int32_t> tokens = {0, 1199, 600, 3, 4};
  std::vector<float> expected;
  for (int64_t row = 0; row < kRows; ++row) {
    const float* const scores = logits.values.data() + row * kVocab;
    double sum = 0.0;
    for (int64_t i = 0; i < kVocab; ++i) sum += std::exp(double{scores[i]});
    expected.push_back(static_cast<float>(scores[tokens[row]] - std::log(sum)));
  }
  float* const out = Upload(std::vector<float>(kRows, 7.0f));
  TokenScoring scoring{
      .logits = logits.device, .tokens = Upload(tokens), .num_rows = kRows, .logprobs = out};
  Finish();  // the copies
  ScoreTokens(scoring, device());
  Finish();
  ExpectNear(Download(out, kRows, DataType::kFloat32), expected, 1e-5f);

  const float impossible[] = {-kInfinity, std::numeric_limits<float>::quiet_NaN()};
  for (const float value : impossible) {
    std::vector<float> row(kVocab, 0.0f);
    row[3] = value;
    scoring.logits = {Upload(row), DataType::kFloat32, kVocab, kVocab, Extent::kRows};
    scoring.tokens = Upload(std::vector<int32_t>{3});
    scoring.num_rows = 1;
    Finish();
    ScoreTokens(scoring, device());
    Finish();
    EXPECT_EQ(Download(out, 1, DataType::kFloat32)[0], -kInfinity);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaRowsTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
