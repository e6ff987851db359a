#include "engine/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/checkpoint/random_tensors.h"
#include "kernels/memory.h"

namespace transept {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ModelSpec TinySpec() {
  ModelSpec spec;
  spec.family = "t5";
  spec.vocab_size = 7;
  spec.d_model = 4;
  spec.encoder.num_layers = 1;
  spec.encoder.num_heads = spec.encoder.num_kv_heads = 2;
  spec.encoder.head_size = 3;
  spec.encoder.ffn_size = 5;
  spec.encoder.relative_positions = {.num_buckets = 4, .max_distance = 8, .per_layer = false};
  spec.decoder = spec.encoder;
  spec.decoder.num_layers = 2;
  spec.gated_ffn = true;
  spec.eos_tokens = {1};
  return spec;
}

// Every element of a tensor is the same number: 1 for the first tensor asked for, 2 for the second,
// and so on. `spoiled` holds one that is not finite.
class NumberedTensors final : public TensorSource {
 public:
  explicit NumberedTensors(std::string spoiled) : spoiled_(std::move(spoiled)) {}

  bool Contains(const std::string&) const override { return true; }
  std::string Origin(const std::string&) const override { return "some.safetensors"; }
  absl::StatusOr<TensorView> Find(const std::string& name,
                                  absl::Span<const int64_t> shape) const override {
    size_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    const auto number =
        static_cast<float>(numbers_.emplace(name, numbers_.size() + 1).first->second);
    auto values = std::make_shared<std::vector<float>>(count, number);
    if (name == spoiled_) values->back() = std::numeric_limits<float>::infinity();
    return TensorView{.data = values->data(),
                      .dtype = kernels::DataType::kFloat32,
                      .shape = {shape.begin(), shape.end()},
                      .storage = values};
  }
  float NumberOf(const std::string& name) const { return static_cast<float>(numbers_.at(name)); }

 private:
  const std::string spoiled_;
  mutable std::map<std::string, size_t> numbers_;
};

// Gives out so many bytes and no more; written piece by piece.
class HeapMemory final : public kernels::Memory {
 public:
  explicit HeapMemory(size_t bytes, size_t piece = 256) : left_(bytes), piece_(piece) {}
  void* Allocate(size_t bytes) override {
    if (bytes > left_) return nullptr;
    left_ -= bytes;
    return blocks_.emplace_back(std::make_unique<char[]>(bytes)).get();
  }
  size_t left() const override { return left_; }
  void Write(void* destination, size_t bytes, const kernels::WriteSource& source) override {
    for (size_t begin = 0; begin < bytes; begin += piece_) {
      source(static_cast<char*>(destination) + begin, begin, std::min(piece_, bytes - begin));
    }
  }

 private:
  size_t left_;
  const size_t piece_;
  std::vector<std::unique_ptr<char[]>> blocks_;
};

class Weights : public ::testing::Test {
 protected:
  // A checkpoint of NumberedTensors.
  std::unique_ptr<Checkpoint> Make(const std::string& spoiled = "",
                                   const ModelSpec& spec = TinySpec()) {
    const auto random = RandomCheckpoint(spec, kernels::DataType::kFloat32, 1);
    auto tensors = std::make_unique<NumberedTensors>(spoiled);
    tensors_ = tensors.get();
    return std::make_unique<Checkpoint>("folder", random->spec(), GenerationOptions{},
                                        random->names(), std::move(tensors));
  }
  // Element (row, 0) of a float32 matrix, as the number of its tensor.
  static float At(const kernels::Matrix& matrix, int64_t row) {
    return static_cast<const float*>(matrix.data)[row * matrix.cols];
  }

  HeapMemory memory_{1 << 20};
  const NumberedTensors* tensors_ = nullptr;
};

TEST_F(Weights, StacksWhatSharesAnInput) {
  const auto checkpoint = Make();
  const auto weights = LoadWeights(*checkpoint, kernels::DataType::kFloat32, &memory_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  const LayerTensorNames& names = checkpoint->names().decoder.layers[1];
  const LayerWeights& layer = weights->decoder.layers[1];
  ASSERT_EQ(layer.self_qkv.weight.rows, 18);
  ASSERT_EQ(layer.self_qkv.weight.cols, 4);
  EXPECT_EQ(At(layer.self_qkv.weight, 5), tensors_->NumberOf(names.self_q));
  EXPECT_EQ(At(layer.self_qkv.weight, 6), tensors_->NumberOf(names.self_k));
  EXPECT_EQ(At(layer.self_qkv.weight, 17), tensors_->NumberOf(names.self_v));
  ASSERT_EQ(layer.ffn_in.weight.rows, 10);
  EXPECT_EQ(At(layer.ffn_in.weight, 4), tensors_->NumberOf(names.ffn_gate));
  EXPECT_EQ(At(layer.ffn_in.weight, 5), tensors_->NumberOf(names.ffn_up));
  ASSERT_EQ(weights->cross_kv.weight.rows, 2 * 2 * 6);
  EXPECT_EQ(At(weights->cross_kv.weight, 0),
            tensors_->NumberOf(checkpoint->names().decoder.layers[0].cross_k));
  EXPECT_EQ(At(weights->cross_kv.weight, 6),
            tensors_->NumberOf(checkpoint->names().decoder.layers[0].cross_v));
  EXPECT_EQ(At(weights->cross_kv.weight, 12), tensors_->NumberOf(names.cross_k));
}

TEST_F(Weights, LayersWithoutABiasTableUseTheFirstOnes) {
  const auto checkpoint = Make();
  const auto weights = LoadWeights(*checkpoint, kernels::DataType::kFloat32, &memory_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  ASSERT_NE(weights->decoder.layers[0].relative_bias, nullptr);
  EXPECT_EQ(weights->decoder.layers[1].relative_bias, weights->decoder.layers[0].relative_bias);
  EXPECT_NE(weights->encoder.layers[0].relative_bias, weights->decoder.layers[0].relative_bias);
}

TEST_F(Weights, MatricesTakeTheAskedTypeAndVectorsStayFloat32) {
  const auto checkpoint = Make();
  const auto weights = LoadWeights(*checkpoint, kernels::DataType::kBFloat16, &memory_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(weights->decoder.embedding.dtype, kernels::DataType::kBFloat16);
  EXPECT_EQ(*static_cast<const uint16_t*>(weights->decoder.embedding.data),
            0x3F80);  // 1, loaded first
  EXPECT_EQ(weights->encoder.norm.weight.data[0],
            tensors_->NumberOf(checkpoint->names().encoder.norm));
}

TEST_F(Weights, Int8RowsHaveScalesAndSums) {
  const auto checkpoint = Make();
  const auto weights = LoadWeights(*checkpoint, kernels::DataType::kInt8, &memory_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  const LayerTensorNames& names = checkpoint->names().decoder.layers[1];
  const kernels::Matrix& qkv = weights->decoder.layers[1].self_qkv.weight;
  ASSERT_EQ(qkv.dtype, kernels::DataType::kInt8);
  ASSERT_EQ(qkv.rows, 18);
  for (const auto& [row, name] : {std::pair{5, names.self_q}, {6, names.self_k}}) {
    EXPECT_EQ(static_cast<const int8_t*>(qkv.data)[row * 4 + 3], 127);
    EXPECT_FLOAT_EQ(qkv.scales[row], tensors_->NumberOf(name) / 127);
    EXPECT_EQ(qkv.sums[row], 4 * 127);
  }
}

// Large tensors are read by several threads.
TEST(LargeWeights, ArriveWhole) {
  ModelSpec spec = TinySpec();
  spec.vocab_size = 1'000'001;
  const auto checkpoint = RandomCheckpoint(spec, kernels::DataType::kFloat32, 1);
  const auto stored =
      checkpoint->tensors().Find(checkpoint->names().decoder.embedding, {1'000'001, 4});
  ASSERT_TRUE(stored.ok()) << stored.status();
  for (const size_t piece : {size_t{3} << 20, size_t{64} << 20}) {
    HeapMemory memory(size_t{64} << 20, piece);
    const auto weights = LoadWeights(*checkpoint, kernels::DataType::kFloat32, &memory);
    ASSERT_TRUE(weights.ok()) << weights.status();
    EXPECT_EQ(std::memcmp(weights->decoder.embedding.data, stored->data, 4'000'004 * sizeof(float)),
              0);
  }
}

TEST_F(Weights, BiasesAreStackedAsTheirWeights) {
  ModelSpec spec = TinySpec();
  spec.family = "bart";
  spec.gated_ffn = false;
  spec.biases = true;
  spec.positions = {.kind = PositionKind::kLearned, .offset = 2};
  spec.max_source_positions = spec.max_target_positions = 3;
  spec.tied_embeddings = true;
  const auto checkpoint = Make("", spec);
  const auto weights = LoadWeights(*checkpoint, kernels::DataType::kBFloat16, &memory_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  const auto number = [&](const std::string& weight) {
    return tensors_->NumberOf(BiasName(weight));
  };
  const TensorNames& names = checkpoint->names();
  const LayerTensorNames& second = names.decoder.layers[1];
  const kernels::Vector& qkv = weights->decoder.layers[1].self_qkv.bias;
  ASSERT_EQ(qkv.size, 18);
  EXPECT_EQ(qkv.data[5], number(second.self_q));
  EXPECT_EQ(qkv.data[6], number(second.self_k));
  EXPECT_EQ(qkv.data[12], number(second.self_v));
  EXPECT_EQ(weights->decoder.layers[1].ffn_norm.bias.data[0], number(second.ffn_norm));
  ASSERT_EQ(weights->cross_kv.bias.size, 24);
  EXPECT_EQ(weights->cross_kv.bias.data[6], number(names.decoder.layers[0].cross_v));
  EXPECT_EQ(weights->cross_kv.bias.data[12], number(second.cross_k));
  EXPECT_EQ(weights->output.bias.data[0], tensors_->NumberOf(names.output_bias));
  EXPECT_EQ(weights->decoder.positions.rows, 5);
  EXPECT_EQ(weights->decoder.positions.dtype, kernels::DataType::kFloat32);
  EXPECT_EQ(At(weights->decoder.positions, 4), tensors_->NumberOf(names.decoder.positions));
  EXPECT_EQ(weights->decoder.embedding.data, weights->encoder.embedding.data);
  EXPECT_EQ(weights->output.weight.data, weights->decoder.embedding.data);
}

TEST_F(Weights, SinusoidsAreComputedWhereTheFileHasNone) {
  ModelSpec spec = TinySpec();
  spec.family = "m2m_100";
  spec.gated_ffn = false;
  spec.biases = true;
  spec.positions = {.kind = PositionKind::kSinusoidFairseq, .offset = 2};
  spec.max_source_positions = spec.max_target_positions = 3;
  const auto checkpoint = Make("", spec);
  const auto weights = LoadWeights(*checkpoint, kernels::DataType::kBFloat16, &memory_);
  ASSERT_TRUE(weights.ok()) << weights.status();
  ASSERT_EQ(weights->encoder.positions.rows, 5);
  EXPECT_FLOAT_EQ(At(weights->encoder.positions, 4), std::sin(4.0f));
}

TEST_F(Weights, ANumberThatIsNotFiniteIsAnErrorThatNamesFileAndTensor) {
  const std::string spoiled = Make()->names().encoder.layers[0].ffn_down;
  const auto checkpoint = Make(spoiled);
  for (const kernels::DataType type : {kernels::DataType::kFloat32, kernels::DataType::kInt8}) {
    const absl::Status status = LoadWeights(*checkpoint, type, &memory_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("some.safetensors"), HasSubstr(spoiled), HasSubstr("not finite")));
  }
}

TEST_F(Weights, RunningOutOfMemoryIsAnError) {
  const auto checkpoint = Make();
  HeapMemory memory(1000);
  const absl::Status status =
      LoadWeights(*checkpoint, kernels::DataType::kFloat32, &memory).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no memory for weights"));
}

}  // namespace
}  // namespace transept
