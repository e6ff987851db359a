// GPU matrix products and what is fused with them against the CPU's reference.
#include <algorithm>
#include <span>

#include "kernels/cpu/reference.h"
#include "tests/kernels/cuda/gpu.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

using cpu::ExpectNear;

// From one row to more than any kernel of few rows takes, around the sizes of tensor core tiles.
constexpr int32_t kRows[] = {1, 2, 7, 8, 9, 16, 17, 31, 33, 64, 65, 128, 200, 512, 515};

struct Shape {
  int64_t out;
  int64_t in;
};
// Widths that fill a block's strips and that do not; depths of one chunk and of many.
constexpr Shape kShapes[] = {{64, 32},   {72, 96},    {1000, 256}, {512, 2816},
                             {9000, 64}, {17000, 32}, {24, 40}};
// Those for which a kernel of few rows is cut otherwise on a GPU of some 130 multiprocessors; the
// row counts at which it changes.
constexpr Shape kWideShapes[] = {{2112, 1056}, {6144, 1056}, {10240, 1056}, {36000, 64},
                                 {2112, 96},   {3072, 96},   {4096, 96},    {5632, 96}};
constexpr int32_t kFewRows[] = {1, 16, 17, 32, 64};
constexpr Shape kDeepShapes[] = {{200, 2048}, {200, 4096}};
constexpr int32_t kDeepRows[] = {1, 16, 17, 32, 64, 128, 512};

// A step of so many tokens; nothing else of it is read.
EncoderInputs StepOf(int32_t tokens) {
  EncoderInputs inputs;
  inputs.num_tokens = tokens;
  return inputs;
}

class CudaLinearTest : public GpuTest {
 protected:
  void ExpectLinear(const Shape& shape, std::span<const int32_t> row_counts) {
    const Weight weight = MakeWeight(shape.out, shape.in, 1);
    for (const int32_t rows : row_counts) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << shape.out << " x " << shape.in);
      Tensor in = MakeTensor(rows, shape.in, dtype(), 2);
      Tensor expected = MakeTensor(rows, shape.out, DataType::kFloat32, 3);
      const Tensor actual = MakeTensor(rows, shape.out, dtype(), 3);
      LinearOp op;
      op.weight = weight.host();
      op.in = in.host();
      op.out = expected.host();
      cpu::reference::Run(op, cpu::Step(StepOf(rows)));
      op.weight = weight.device;
      op.in = in.device;
      op.out = actual.device;
      Execute(op, StepOf(rows));
      ExpectNear(Read(actual), expected.values, tolerance());
    }
  }

  void ExpectGated(const Shape& shape, std::span<const int32_t> row_counts) {
    const Weight weight = MakeWeight(2 * shape.out, shape.in, 1);
    for (const int32_t rows : row_counts) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << shape.out << " x " << shape.in);
      Tensor in = MakeTensor(rows, shape.in, dtype(), 2);
      Tensor expected = MakeTensor(rows, shape.out, DataType::kFloat32, 3);
      const Tensor actual = MakeTensor(rows, shape.out, dtype(), 3);
      GatedLinearOp op;
      op.weight = weight.host();
      op.in = in.host();
      op.out = expected.host();
      cpu::reference::Run(op, cpu::Step(StepOf(rows)));
      op.weight = weight.device;
      op.in = in.device;
      op.scratch = MakeTensor(rows, 2 * shape.out, dtype(), 4).device;
      op.out = actual.device;
      Execute(op, StepOf(rows));
      ExpectNear(Read(actual), expected.values, tolerance());
    }
  }
};

TEST_P(CudaLinearTest, Linear) {
  for (const Shape& shape : kShapes) ExpectLinear(shape, kRows);
}

TEST_P(CudaLinearTest, LinearOfManyFeatures) {
  for (const Shape& shape : kWideShapes) ExpectLinear(shape, kFewRows);
}

TEST_P(CudaLinearTest, LinearOfGreatDepth) {
  for (const Shape& shape : kDeepShapes) ExpectLinear(shape, kDeepRows);
}

TEST_P(CudaLinearTest, AddsToTheResidualStream) {
  const Shape shape{96, 160};
  const Weight weight = MakeWeight(shape.out, shape.in, 1);
  for (const bool with_bias : {false, true}) {
    const std::vector<float> bias = cpu::RandomFloats(shape.out, 5);
    for (const int32_t rows : kRows) {
      SCOPED_TRACE(testing::Message() << rows << " rows");
      Tensor in = MakeTensor(rows, shape.in, dtype(), 2);
      Tensor expected = MakeTensor(rows, shape.out, DataType::kFloat32, 3);
      const Tensor actual = MakeTensor(rows, shape.out, DataType::kFloat32, 3);
      LinearOp op;
      op.weight = weight.host();
      if (with_bias) op.bias = {bias.data(), shape.out};
      op.in = in.host();
      op.residual = op.out = expected.host();
      cpu::reference::Run(op, cpu::Step(StepOf(rows)));
      op.weight = weight.device;
      if (with_bias) op.bias = UploadVector(bias);
      op.in = in.device;
      op.residual = op.out = actual.device;
      Execute(op, StepOf(rows));
      ExpectNear(Read(actual), expected.values, tolerance());
    }
  }
}

TEST_P(CudaLinearTest, BiasAndActivation) {
  const Shape shape{48, 64};
  const Weight weight = MakeWeight(shape.out, shape.in, 1);
  const std::vector<float> bias = cpu::RandomFloats(shape.out, 5);
  const auto expect = [&](ActivationFunction activation, bool with_bias, int32_t rows) {
    SCOPED_TRACE(testing::Message() << rows << " rows, " << static_cast<int>(activation)
                                    << (with_bias ? " with bias" : ""));
    Tensor in = MakeTensor(rows, shape.in, dtype(), 2);
    Tensor expected = MakeTensor(rows, shape.out, DataType::kFloat32, 3);
    const Tensor actual = MakeTensor(rows, shape.out, dtype(), 3);
    LinearOp op;
    op.activation = activation;
    op.weight = weight.host();
    if (with_bias) op.bias = {bias.data(), shape.out};
    op.in = in.host();
    op.out = expected.host();
    cpu::reference::Run(op, cpu::Step(StepOf(rows)));
    op.weight = weight.device;
    if (with_bias) op.bias = UploadVector(bias);
    op.in = in.device;
    op.out = actual.device;
    Execute(op, StepOf(rows));
    ExpectNear(Read(actual), expected.values, tolerance());
  };
  for (const ActivationFunction activation :
       {ActivationFunction::kNone, ActivationFunction::kRelu, ActivationFunction::kGelu,
        ActivationFunction::kGeluTanh, ActivationFunction::kSilu}) {
    for (const int32_t rows : {3, 100}) {
      expect(activation, /*with_bias=*/true, rows);
      expect(activation, /*with_bias=*/false, rows);
    }
  }
}

// A product stores infinity where float16 ends; no gate may turn it into NaN.
TEST_P(CudaLinearTest, GatesBeyondFloat16AreCutOff) {
  constexpr int64_t kDepth = 64, kWidth = 8;
  std::vector<float> weight(2 * kWidth * kDepth);
  for (int64_t row = 0; row < 2 * kWidth; ++row) {
    // Gates of 2^18 and -2^18; up projections of 0 and 64.
    const bool even = row % 2 == 0;
    const float value = row < kWidth ? (even ? 64.0f : -64.0f) : (even ? 0.0f : 1.0f / 64);
    std::fill_n(weight.begin() + row * kDepth, kDepth, value);
  }
  for (const int32_t rows : {3, 40}) {
    const std::vector<float> in(rows * kDepth, 64.0f);
    const Tensor out = MakeTensor(rows, kWidth, dtype(), 3);
    GatedLinearOp op;
    op.activation = ActivationFunction::kGeluTanh;
    op.weight = {UploadAs(weight, dtype()), dtype(), 2 * kWidth, kDepth};
    op.in = {UploadAs(in, dtype()), dtype(), kDepth, kDepth};
    op.scratch = MakeTensor(rows, 2 * kWidth, dtype(), 4).device;
    op.out = out.device;
    Execute(op, StepOf(rows));
    ExpectNear(Read(out), std::vector<float>(rows * kWidth), tolerance());
  }
}

TEST_P(CudaLinearTest, Gated) {
  for (const Shape& shape : {Shape{64, 96}, Shape{48, 32}, Shape{2816, 64}, Shape{9008, 32}}) {
    ExpectGated(shape, kRows);
  }
}

TEST_P(CudaLinearTest, GatedOfManyFeatures) {
  for (const Shape& shape : {Shape{3072, 1056}, Shape{5120, 1056}}) ExpectGated(shape, kFewRows);
}

TEST_P(CudaLinearTest, ProjectsCrossKv) {
  constexpr int32_t kLayers = 3, kHeads = 2, kSize = 24, kBlock = 4, kBlocks = 40;
  constexpr int64_t kWidth = kHeads * kSize, kDepth = 64;
  const Weight weight = MakeWeight(kLayers * 2 * kWidth, kDepth, 1);
  const std::vector<float> bias = cpu::RandomFloats(kLayers * 2 * kWidth, 5);
  // Scratch memory for all layers at once, for two and for one.
  constexpr int64_t kScratchRows = 300;
  for (const int32_t tokens : {1, 5, 90, 140}) {
    std::vector<int64_t> slots(tokens);
    for (int32_t i = 0; i < tokens; ++i) slots[i] = (i * 37 + 11) % (kBlock * kBlocks);
    if (tokens > 1) slots[3] = -1;
    EncoderInputs inputs = StepOf(tokens);
    inputs.cross_slots = slots.data();
    Tensor in = MakeTensor(tokens, kDepth, dtype(), 2);
    Tensor host_scratch = MakeTensor(tokens, 2 * kWidth, DataType::kFloat32, 3);
    const std::vector<float> zeros(kBlock * kBlocks * kWidth);
    std::vector<std::vector<float>> expected(2 * kLayers, zeros);
    ProjectCrossKvOp op;
    op.weight = weight.host();
    op.bias = {bias.data(), kLayers * 2 * kWidth};
    op.in = in.host();
    op.scratch = host_scratch.host();
    for (int layer = 0; layer < kLayers; ++layer) {
      op.caches.push_back({expected[2 * layer].data(), expected[2 * layer + 1].data(),
                           DataType::kFloat32, kBlocks, kBlock, kHeads, kSize});
    }
    cpu::reference::Run(op, cpu::Step(inputs));
    op.weight = weight.device;
    op.bias = UploadVector(bias);
    op.in = in.device;
    op.scratch = MakeTensor(kScratchRows, 2 * kWidth, dtype(), 3).device;
    op.scratch_rows = kScratchRows;
    for (PagedKv& cache : op.caches) {
      cache.keys = UploadAs(zeros, dtype());
      cache.values = UploadAs(zeros, dtype());
      cache.dtype = dtype();
    }
    Execute(op, inputs);
    for (int layer = 0; layer < kLayers; ++layer) {
      const int64_t count = static_cast<int64_t>(zeros.size());
      ExpectNear(Download(op.caches[layer].keys, count, dtype()), expected[2 * layer], tolerance());
      ExpectNear(Download(op.caches[layer].values, count, dtype()), expected[2 * layer + 1],
                 tolerance());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaLinearTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
