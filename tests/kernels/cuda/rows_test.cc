// GPU operations on single rows, and the greedy choice.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/reference.h"
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
  const Weight positions = MakeWeight(kPositions, kWidth, 2);
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
    if (with_positions) op.positions = positions.host();
    op.out = expected.host();
    cpu::reference::Run(op, cpu::Step(inputs));
    op.table = table.device;
    if (with_positions) op.positions = positions.device;
    op.out = actual.device;
    Execute(op, inputs);
    ExpectNear(Read(actual), expected.values, 1e-6f);
  }
}

TEST_P(CudaRowsTest, Norm) {
  for (const int64_t width : {8, 100, 1024, 5000}) {
    const std::vector<float> weight = cpu::RandomFloats(width, 4),
                             bias = cpu::RandomFloats(width, 5);
    for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
      constexpr int32_t kRows = 5;
      EncoderInputs inputs;
      inputs.num_tokens = kRows;
      Tensor in = MakeTensor(kRows, width, DataType::kFloat32, 1);
      Tensor expected = MakeTensor(kRows, width, DataType::kFloat32, 2);
      const Tensor actual = MakeTensor(kRows, width, dtype(), 2);
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

TEST_P(CudaRowsTest, GathersTheLastTokenOfEachRow) {
  const std::vector<int32_t> offsets = {0, 1, 5, 6};
  DecoderInputs inputs;
  inputs.num_rows = 3;
  inputs.num_tokens = 6;
  inputs.query_offsets = offsets.data();
  Tensor in = MakeTensor(6, 40, DataType::kFloat32, 1);
  Tensor expected = MakeTensor(3, 40, DataType::kFloat32, 2, Extent::kRows);
  const Tensor actual = MakeTensor(3, 40, DataType::kFloat32, 2, Extent::kRows);
  GatherRowsOp op;
  op.in = in.host();
  op.out = expected.host();
  cpu::reference::Run(op, cpu::Step(inputs));
  op.in = in.device;
  op.out = actual.device;
  Execute(op, inputs);
  EXPECT_EQ(Read(actual), expected.values);
}

INSTANTIATE_TEST_SUITE_P(Types, CudaRowsTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

class CudaGreedyTest : public GpuTest {};

TEST_P(CudaGreedyTest, TakesTheFirstOfTheLargest) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr int64_t kVocab = 5003;
  for (const int64_t rows : {6, 200}) {
    Tensor logits = MakeTensor(rows, kVocab, DataType::kFloat32, 1, Extent::kRows);
    const auto at = [&](int64_t row, int64_t i) -> float& {
      return logits.values[row * kVocab + i];
    };
    at(1, 4000) = at(1, 17) = 5.0f;
    at(2, 5002) = 9.0f;
    at(3, 0) = std::nanf("");
    for (int64_t i = 0; i < kVocab; ++i) at(4, i) = -kInfinity;
    at(5, 77) = kInfinity;
    std::vector<float> padded(rows * logits.device.stride);
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(&at(row, 0), kVocab, padded.data() + row * logits.device.stride);
    }
    logits.device.data = Upload(padded);
    // Row 2 may not take what is largest.
    std::vector<int32_t> bans(rows * kMaxBans, -1);
    bans[2 * kMaxBans + 3] = 5002;
    std::vector<int32_t> slots(rows);
    for (int64_t row = 0; row < rows; ++row) slots[row] = static_cast<int32_t>(rows - 1 - row);
    GreedyChoice choice{.logits = logits.device,
                        .rows = rows,
                        .bans = Upload(bans),
                        .slots = Upload(slots),
                        .choices = Upload(std::vector<Choice>(rows)),
                        .last_tokens = Upload(std::vector<int32_t>(rows, -5))};
    Finish();
    ChooseGreedy(choice, device());
    Finish();
    std::vector<Choice> choices(rows);
    std::vector<int32_t> last(rows);
    cudaMemcpy(choices.data(), choice.choices, rows * sizeof(Choice), cudaMemcpyDeviceToHost);
    cudaMemcpy(last.data(), choice.last_tokens, rows * sizeof(int32_t), cudaMemcpyDeviceToHost);
    at(2, 5002) = -kInfinity;
    for (int64_t row = 0; row < rows; ++row) {
      SCOPED_TRACE(row);
      int32_t best = 0;
      float largest = -kInfinity;
      for (int64_t i = 0; i < kVocab; ++i) {
        if (at(row, i) > largest) {
          largest = at(row, i);
          best = static_cast<int32_t>(i);
        }
      }
      double sum = 0;
      for (int64_t i = 0; i < kVocab; ++i) {
        if (!std::isnan(at(row, i))) sum += std::exp(double{at(row, i)} - largest);
      }
      EXPECT_EQ(choices[row].token, best);
      EXPECT_EQ(last[rows - 1 - row], best);
      if (row == 4) {
        EXPECT_EQ(choices[row].logprob, -kInfinity);
      } else if (row == 5) {
        EXPECT_EQ(choices[row].logprob, 0.0f);
      } else {
        EXPECT_NEAR(choices[row].logprob, -std::log(sum), 1e-4);
      }
    }
  }
}

TEST_P(CudaGreedyTest, ResolvesTokensThatOnlyTheDeviceKnows) {
  int32_t* ids = Upload(std::vector<int32_t>{5, -1, -3, 0});
  const int32_t* last = Upload(std::vector<int32_t>{70, 71, 72});
  Finish();
  ResolveTokens(ids, 4, last, device());
  Finish();
  std::vector<int32_t> resolved(4);
  cudaMemcpy(resolved.data(), ids, 4 * sizeof(int32_t), cudaMemcpyDeviceToHost);
  EXPECT_EQ(resolved, (std::vector<int32_t>{5, 70, 72, 0}));
}

INSTANTIATE_TEST_SUITE_P(Types, CudaGreedyTest, testing::Values(DataType::kFloat32), NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
