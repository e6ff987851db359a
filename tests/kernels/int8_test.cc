// Weights in int8: integers are summed exactly, so every path gives the reference's bits.
#define TRANSEPT_SIMD_VNNI
#include "kernels/cpu/simd/targets.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "hwy/highway.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/simd/int8.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cpu {
namespace {

// A random weight matrix in int8.
class Int8Weights {
 public:
  Int8Weights(int64_t rows, int64_t cols, uint64_t seed)
      : cols_(cols), numbers_(rows * cols), scales_(RandomFloats(rows, seed + 1)) {
    const std::vector<float> values = RandomFloats(rows * cols, seed);
    for (size_t i = 0; i < values.size(); ++i)
      numbers_[i] = static_cast<int8_t>(values[i] * 127.9f);
    for (int64_t row = 0; row < rows; ++row) {
      const auto begin = numbers_.begin() + row * cols;
      sums_.push_back(std::accumulate(begin, begin + cols, 0));
    }
  }
  Matrix matrix() const {
    return {.data = numbers_.data(),
            .dtype = DataType::kInt8,
            .rows = static_cast<int64_t>(scales_.size()),
            .cols = cols_,
            .scales = scales_.data(),
            .sums = sums_.data()};
  }

 private:
  int64_t cols_;
  std::vector<int8_t> numbers_;
  std::vector<float> scales_;
  std::vector<int32_t> sums_;
};

class Int8Test : public testing::TestWithParam<int64_t> {
 protected:
  // Runs `op` in both kinds of step: equal to the last bit.
  template <typename Op>
  void Check(Op op, int32_t rows, int64_t out_width) {
    for (const bool encoder : {false, true}) {
      Buffer expected(rows, out_width, 3), actual(rows, out_width, 3);
      EncoderInputs encode;
      DecoderInputs decode;
      encode.num_tokens = decode.num_tokens = rows;
      op.out = expected.view();
      reference::Run(op, Step(decode));
      op.out = actual.view();
      Program program;
      program.operations.push_back(op);
      encoder ? executor_.Run(program, encode) : executor_.Run(program, decode);
      EXPECT_EQ(actual.values(), expected.values());
      EXPECT_TRUE(actual.GuardsIntact());
    }
  }

 private:
  ScopedTarget target_{GetParam()};
  ThreadPool pool_{3};
  Executor executor_{&pool_};
};

struct Shape {
  int32_t rows;
  int64_t out;
  int64_t in;
};
const Shape kShapes[] = {{0, 8, 8},    {1, 1, 1},      {1, 3, 5},   {2, 49, 63},
                         {5, 4, 64},   {6, 7, 65},     {7, 96, 48}, {13, 50, 130},
                         {49, 6, 512}, {130, 10, 767}, {4, 9, 4100}};

TEST_P(Int8Test, LinearEqualsTheReference) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " x " << shape.out << " x " << shape.in);
    const Int8Weights weight(shape.out, shape.in, 1);
    Buffer in(shape.rows, shape.in, 2);
    LinearOp op;
    op.weight = weight.matrix();
    op.in = in.view();
    Check(op, shape.rows, shape.out);
  }
}

TEST_P(Int8Test, GatedEqualsTheReference) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << " x " << shape.out << " x " << shape.in);
    const Int8Weights weight(2 * shape.out, shape.in, 1);
    Buffer in(shape.rows, shape.in, 2);
    GatedLinearOp op;
    op.weight = weight.matrix();
    op.activation = ActivationFunction::kRelu;
    op.in = in.view();
    Check(op, shape.rows, shape.out);
  }
}

// The largest numbers there are, and rows of zeros.
TEST_P(Int8Test, Extremes) {
  constexpr int64_t kIn = 1000;
  const std::vector<int8_t> numbers(kIn, 127);
  const float scale = 1.0f;
  const int32_t sum = 127 * kIn;
  std::vector<float> in(3 * kIn, 2.0f);
  std::fill_n(in.begin() + kIn, kIn, -2.0f);
  std::fill_n(in.begin() + 2 * kIn, kIn, 0.0f);
  Int8Products products{.x_stride = 1024, .rows = 3, .columns = 1, .k = kIn, .out_stride = 4};
  std::vector<int8_t> x(3 * products.x_stride);
  std::vector<float> x_scales(3), results(12);
  for (int m = 0; m < 3; ++m) {
    x_scales[m] = Quantize(in.data() + m * kIn, kIn, x.data() + m * products.x_stride);
  }
  products.x = x.data();
  products.x_scales = x_scales.data();
  products.w = numbers.data();
  products.w_scales = &scale;
  products.w_sums = &sum;
  products.out = results.data();
  Multiply(products);
  EXPECT_FLOAT_EQ(results[0], 2.0f * 127 * kIn);
  EXPECT_FLOAT_EQ(results[4], -2.0f * 127 * kIn);
  EXPECT_EQ(results[8], 0.0f);
}

TEST_P(Int8Test, EmbeddingsHaveTheirRowsScale) {
  const Int8Weights table(9, 37, 1);
  const std::vector<int32_t> tokens = {8, 0, 3}, positions = {0, 1, 2};
  DecoderInputs inputs;
  inputs.num_tokens = 3;
  inputs.token_ids = tokens.data();
  inputs.positions = positions.data();
  Buffer expected(3, 37, 2), actual(3, 37, 2);
  EmbedOp op;
  op.table = table.matrix();
  op.scale = 2.0f;
  op.out = expected.view();
  reference::Run(op, Step(inputs));
  op.out = actual.view();
  ThreadPool pool(2);
  Executor executor(&pool);
  Program program;
  program.operations.push_back(op);
  executor.Run(program, inputs);
  EXPECT_EQ(actual.values(), expected.values());
  EXPECT_FLOAT_EQ(actual.values()[0], 2.0f * table.matrix().scales[8] *
                                          static_cast<const int8_t*>(table.matrix().data)[8 * 37]);
}

INSTANTIATE_TEST_SUITE_P(Targets, Int8Test, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& info) { return hwy::TargetName(info.param); });

}  // namespace
}  // namespace transept::kernels::cpu
