#include "engine/checkpoint/random_tensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "tests/support/checkpoint_writer.h"

namespace transept {
namespace {

using kernels::DataType;

constexpr int64_t kRows = 300;
constexpr int64_t kColumns = 70;

float ToFloat(uint16_t bits, DataType dtype) {
  if (dtype == DataType::kBFloat16) {
    const uint32_t wide = uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &wide, sizeof(value));
    return value;
  }
  const int exponent = (bits >> 10) & 31;
  const float magnitude = exponent == 0 ? std::ldexp(float(bits & 1023), -24)
                                        : std::ldexp(float(1024 + (bits & 1023)), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

std::vector<float> Values(const Checkpoint& checkpoint, const std::string& name) {
  const absl::StatusOr<TensorView> view = checkpoint.tensors().Find(name, {kRows, kColumns});
  EXPECT_TRUE(view.ok()) << view.status();
  std::vector<float> values(kRows * kColumns);
  if (view->dtype == DataType::kFloat32) {
    std::memcpy(values.data(), view->data, values.size() * sizeof(float));
  } else {
    const auto* bits = static_cast<const uint16_t*>(view->data);
    for (size_t i = 0; i < values.size(); ++i) values[i] = ToFloat(bits[i], view->dtype);
  }
  return values;
}

TEST(RandomTensorsTest, HaveTheScaleOfFreshWeights) {
  const ModelSpec spec = test::TinySpec();
  for (const DataType dtype : {DataType::kFloat32, DataType::kBFloat16, DataType::kFloat16}) {
    const auto checkpoint = RandomCheckpoint(spec, dtype, 1);
    EXPECT_EQ(checkpoint->spec().stored_dtype, dtype);
    double sum = 0, squares = 0;
    for (const float value : Values(*checkpoint, checkpoint->names().encoder.layers[0].self_k)) {
      sum += value;
      squares += value * value;
    }
    const double count = kRows * kColumns;
    EXPECT_NEAR(sum / count, 0.0, 0.01) << Name(dtype);
    EXPECT_NEAR(squares / count * spec.d_model, 1.0, 0.03) << Name(dtype);
    for (const float value : Values(*checkpoint, checkpoint->names().encoder.layers[0].self_norm)) {
      ASSERT_NEAR(value, 1.0f, 0.2f) << Name(dtype);
    }
  }
}

TEST(RandomTensorsTest, AreTheSameNumbersInEveryType) {
  const auto wide = RandomCheckpoint(test::TinySpec(), DataType::kFloat32, 1);
  for (const DataType dtype : {DataType::kBFloat16, DataType::kFloat16}) {
    const auto narrow = RandomCheckpoint(test::TinySpec(), dtype, 1);
    const std::vector<float> expected = Values(*wide, "shared.weight");
    const std::vector<float> values = Values(*narrow, "shared.weight");
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(values[i], expected[i], std::abs(expected[i]) / 128 + 1e-4) << i;
    }
  }
}

TEST(RandomTensorsTest, DependOnSeedAndNameAlone) {
  const auto a = RandomCheckpoint(test::TinySpec(), DataType::kFloat32, 1);
  const auto b = RandomCheckpoint(test::TinySpec(), DataType::kFloat32, 1);
  const auto c = RandomCheckpoint(test::TinySpec(), DataType::kFloat32, 2);
  const std::vector<float> values = Values(*a, "shared.weight");
  EXPECT_EQ(values, Values(*a, "shared.weight"));
  EXPECT_EQ(values, Values(*b, "shared.weight"));
  EXPECT_NE(values, Values(*c, "shared.weight"));
  EXPECT_NE(Values(*a, a->names().encoder.layers[0].self_k),
            Values(*a, a->names().encoder.layers[0].self_v));
}

TEST(RandomTensorsTest, RowsDiffer) {
  const auto checkpoint = RandomCheckpoint(test::TinySpec(), DataType::kFloat32, 1);
  const std::vector<float> values = Values(*checkpoint, "shared.weight");
  for (int64_t row = 1; row < kRows; ++row) {
    ASSERT_NE(std::memcmp(&values[0], &values[row * kColumns], kColumns * sizeof(float)), 0) << row;
  }
}

TEST(RandomTensorsTest, OnlyTheModelsTensorsExist) {
  ModelSpec spec = test::TinySpec();
  spec.tied_embeddings = true;
  const auto checkpoint = RandomCheckpoint(spec, DataType::kFloat32, 1);
  EXPECT_TRUE(checkpoint->tensors().Contains("shared.weight"));
  EXPECT_FALSE(checkpoint->tensors().Contains("lm_head.weight"));
  EXPECT_FALSE(checkpoint->tensors().Contains(""));
  EXPECT_EQ(checkpoint->tensors().Find("lm_head.weight", {1}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(RandomTensorsTest, BiasesAndPositionsExistWhereTheModelHasThem) {
  ModelSpec spec = test::TinySpec();
  spec.family = "bart";
  spec.gated_ffn = false;
  spec.tied_embeddings = true;
  spec.positions = {.kind = PositionKind::kLearned, .offset = 2};
  const auto bare = RandomCheckpoint(spec, DataType::kFloat32, 1);
  EXPECT_TRUE(bare->tensors().Contains("model.decoder.embed_positions.weight"));
  EXPECT_FALSE(bare->tensors().Contains("model.encoder.layers.0.fc1.bias"));
  spec.biases = true;
  const auto biased = RandomCheckpoint(spec, DataType::kFloat32, 1);
  EXPECT_TRUE(biased->tensors().Contains("model.encoder.layers.0.fc1.bias"));
  EXPECT_TRUE(biased->tensors().Contains("model.decoder.layers.1.encoder_attn_layer_norm.bias"));
  EXPECT_TRUE(biased->tensors().Contains("final_logits_bias"));
}

}  // namespace
}  // namespace transept
