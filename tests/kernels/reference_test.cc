// The oracle itself, against numbers that torch computed in float64.
#include "kernels/cpu/reference.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace transept::kernels::cpu {
namespace {

using testing::FloatEq;
using testing::FloatNear;
using testing::Pointwise;

constexpr float kTolerance = 1e-6f;

Activations ViewOf(std::vector<float>& values, int64_t width) {
  return {values.data(), DataType::kFloat32, width, width, Extent::kTokens};
}

EncoderInputs OneSource(int32_t num_tokens, const int32_t* offsets) {
  EncoderInputs inputs;
  inputs.num_sources = 1;
  inputs.num_tokens = num_tokens;
  inputs.offsets = offsets;
  return inputs;
}

TEST(Reference, Activations) {
  const std::vector<float> x = {-4.0f, -1.5f, -0.25f, 0.0f, 0.5f, 3.0f};
  const auto apply = [&](ActivationFunction function) {
    std::vector<float> y;
    for (const float value : x) y.push_back(reference::Activate(function, value));
    return y;
  };
  EXPECT_THAT(apply(ActivationFunction::kNone), Pointwise(FloatEq(), x));
  EXPECT_THAT(apply(ActivationFunction::kRelu),
              Pointwise(FloatEq(), std::vector<float>{0, 0, 0, 0, 0.5f, 3.0f}));
  EXPECT_THAT(apply(ActivationFunction::kGelu),
              Pointwise(FloatNear(kTolerance),
                        std::vector<float>{-0.000126684967f, -0.100210801903f, -0.100323418579f, 0,
                                           0.345731230637f, 2.99595030590511f}));
  EXPECT_THAT(apply(ActivationFunction::kGeluTanh),
              Pointwise(FloatNear(kTolerance),
                        std::vector<float>{-0.0000702459481f, -0.100428423019f, -0.100324649298f, 0,
                                           0.345714009825f, 2.996362607918f}));
  EXPECT_THAT(apply(ActivationFunction::kSilu),
              Pointwise(FloatNear(kTolerance),
                        std::vector<float>{-0.0719448398483f, -0.273638285709f, -0.109455874778f, 0,
                                           0.311229665600f, 2.857722380467f}));
}

TEST(Reference, Norms) {
  std::vector<float> in = {1.0f, -2.0f, 3.0f, 0.5f};
  std::vector<float> out(4);
  const std::vector<float> weight = {1.0f, 2.0f, 0.5f, -1.0f};
  const std::vector<float> bias = {0.1f, 0.2f, 0.3f, 0.4f};
  const int32_t offsets[] = {0, 1};
  const EncoderInputs inputs = OneSource(1, offsets);
  NormOp op;
  op.weight = {weight.data(), 4};
  op.eps = 1e-6f;
  op.in = ViewOf(in, 4);
  op.out = ViewOf(out, 4);
  reference::Run(op, Step(inputs));
  EXPECT_THAT(
      out, Pointwise(FloatNear(kTolerance), std::vector<float>{0.529812868466f, -2.119251473865f,
                                                               0.794719302699f, -0.264906434233f}));
  op.kind = NormKind::kLayer;
  op.bias = {bias.data(), 4};
  op.eps = 1e-5f;
  reference::Run(op, Step(inputs));
  EXPECT_THAT(
      out, Pointwise(FloatNear(kTolerance), std::vector<float>{0.310558389988f, -2.747817459840f,
                                                               0.966768234964f, 0.470186129996f}));
}

// Two tokens, one head: rows of qkv are q, k, v.
struct SmallAttention {
  std::vector<float> qkv = {1.0f, 0.0f,  2.0f, 0.0f, 1.0f, 1.0f,  1.0f,  2.0f, 3.0f,
                            0.5f, -1.0f, 1.0f, 2.0f, 0.0f, -1.0f, -1.0f, 0.0f, 4.0f};
  AttentionShape shape{1, 1, 3, 0.5f};
  std::vector<float> out = std::vector<float>(6);
};

TEST(Reference, EncoderAttention) {
  SmallAttention small;
  // Buckets of 4, bidirectional: distance -1 is 1, 0 is 0, 1 is 3.
  const std::vector<float> table = {0.5f, -0.75f, 9.0f, 0.25f};
  EncoderAttentionOp op;
  op.shape = small.shape;
  op.bias = {table.data(), 4, 16, true};
  op.qkv = ViewOf(small.qkv, 9);
  op.out = ViewOf(small.out, 3);
  const int32_t offsets[] = {0, 2};
  const EncoderInputs inputs = OneSource(2, offsets);
  reference::Run(op, Step(inputs));
  EXPECT_THAT(small.out,
              Pointwise(FloatNear(kTolerance),
                        std::vector<float>{0.554599722349f, 1.554599722349f, 3.222700138825f,
                                           -0.554599722349f, 0.445400277650f, 3.777299861174f}));
}

TEST(Reference, SelfAttention) {
  SmallAttention small;
  const std::vector<float> table = {0.5f, -0.75f, 9.0f, 9.0f};  // causal: distance -1 is 1
  std::vector<float> keys(12), values(12);
  SelfAttentionOp op;
  op.shape = small.shape;
  op.bias = {table.data(), 4, 16, false};
  op.cache = {keys.data(), values.data(), DataType::kFloat32, 4, 1, 1, 3};
  op.qkv = ViewOf(small.qkv, 9);
  op.out = ViewOf(small.out, 3);
  const int32_t positions[] = {0, 1};
  const int32_t query_offsets[] = {0, 2};
  const int32_t block_table[] = {2, 1};
  const int64_t slots[] = {2, 1};
  DecoderInputs inputs;
  inputs.num_rows = 1;
  inputs.num_tokens = 2;
  inputs.positions = positions;
  inputs.query_offsets = query_offsets;
  inputs.self_slots = slots;
  inputs.block_tables = block_table;
  inputs.block_table_stride = 2;
  reference::Run(op, Step(inputs));
  // The second token's biases are -0.75 for the first key and 0.5 for itself, as above.
  EXPECT_THAT(small.out, Pointwise(FloatNear(kTolerance),
                                   std::vector<float>{1.0f, 2.0f, 3.0f, -0.554599722349f,
                                                      0.445400277650f, 3.777299861174f}));
  EXPECT_THAT(keys, testing::ElementsAre(0, 0, 0, 2, 0, -1, 0, 1, 1, 0, 0, 0));
}

}  // namespace
}  // namespace transept::kernels::cpu
