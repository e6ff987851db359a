#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/attention/cross_attention.h"
#include "engine/attention/decoder_self_attention.h"
#include "engine/attention/encoder_only_attention.h"

namespace transept {
namespace {

AttentionSpec SpecOf(AttentionType type) {
  return {.type = type,
          .head_size = 20,
          .num_heads = 6,
          .num_kv_heads = 3,
          .kv_cache_dtype = kernels::DataType::kBFloat16,
          .block_size = 8,
          .scale = 0.5f};
}

const AttentionBackend& AnyBackend() {
  return *AttentionBackends(Device::kCpu).front();
}

template <typename Layer>
class AttentionLayer : public ::testing::Test {};

template <AttentionType kType, typename L>
struct Serves {
  static constexpr AttentionType kServed = kType;
  using Layer = L;
};

using Layers = ::testing::Types<Serves<AttentionType::kEncoderOnly, EncoderOnlyAttention>,
                                Serves<AttentionType::kDecoder, DecoderSelfAttention>,
                                Serves<AttentionType::kEncoderDecoder, CrossAttention>>;
TYPED_TEST_SUITE(AttentionLayer, Layers);

TYPED_TEST(AttentionLayer, ServesItsOwnTypeAndRefusesTheOthers) {
  for (const AttentionType type :
       {AttentionType::kEncoderOnly, AttentionType::kDecoder, AttentionType::kEncoderDecoder}) {
    const absl::Status status = TypeParam::Layer::Create(SpecOf(type), AnyBackend()).status();
    if (type == TypeParam::kServed) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(Name(type)));
    }
  }
}

TYPED_TEST(AttentionLayer, PassesOnTheBackendsRefusal) {
  AttentionSpec spec = SpecOf(TypeParam::kServed);
  spec.head_size = 0;
  EXPECT_EQ(TypeParam::Layer::Create(spec, AnyBackend()).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(EncoderOnlyAttention, HasNoKvCache) {
  EXPECT_EQ(EncoderOnlyAttention::kv_cache_bytes(), 0);
}

TEST(CrossAttention, KnowsWhatItKeepsOfASource) {
  const auto layer = CrossAttention::Create(SpecOf(AttentionType::kEncoderDecoder), AnyBackend());
  ASSERT_TRUE(layer.ok());
  // Keys and values of 8 positions, 3 heads of 20 two-byte elements.
  EXPECT_EQ(layer->cache_spec().page_bytes(), 2 * 8 * 3 * 20 * 2);
  EXPECT_EQ(layer->cache_spec().blocks(1), 1);
  EXPECT_EQ(layer->cache_spec().blocks(8), 1);
  EXPECT_EQ(layer->cache_spec().blocks(9), 2);
}

TEST(CrossAttention, RefusesABias) {
  AttentionSpec spec = SpecOf(AttentionType::kEncoderDecoder);
  spec.has_bias = true;
  EXPECT_FALSE(CrossAttention::Create(spec, AnyBackend()).ok());
}

TEST(DecoderSelfAttention, OperationCarriesShapeBiasAndBuffers) {
  const auto layer = DecoderSelfAttention::Create(SpecOf(AttentionType::kDecoder), AnyBackend());
  ASSERT_TRUE(layer.ok());
  const float table[4] = {};
  float qkv[1] = {};
  float out[1] = {};
  const kernels::SelfAttentionOp op =
      layer->Forward({.table = table, .num_buckets = 4, .max_distance = 16}, {.block_size = 8},
                     {.data = qkv}, {.data = out});
  EXPECT_EQ(op.kernel, AnyBackend().kernel());
  EXPECT_EQ(op.shape.num_heads, 6);
  EXPECT_EQ(op.shape.num_kv_heads, 3);
  EXPECT_EQ(op.shape.head_size, 20);
  EXPECT_EQ(op.shape.scale, 0.5f);
  EXPECT_EQ(op.bias.table, table);
  EXPECT_EQ(op.cache.block_size, 8);
  EXPECT_EQ(op.qkv.data, qkv);
  EXPECT_EQ(op.out.data, out);
}

}  // namespace
}  // namespace transept
