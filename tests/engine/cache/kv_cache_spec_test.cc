#include "engine/cache/kv_cache_spec.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace transept {
namespace {

using ::testing::HasSubstr;

constexpr KvCacheSpec kPages = {
    .block_size = 16, .num_kv_heads = 8, .head_size = 64, .dtype = kernels::DataType::kBFloat16};

TEST(KvCacheSpecTest, BlocksRoundUp) {
  EXPECT_EQ(BlocksFor(0, 16), 0);
  EXPECT_EQ(BlocksFor(1, 16), 1);
  EXPECT_EQ(BlocksFor(16, 16), 1);
  EXPECT_EQ(BlocksFor(17, 16), 2);
  EXPECT_EQ(BlocksFor(7, 1), 7);
  EXPECT_EQ(CrossAttentionSpec{kPages}.blocks(33), 3);
  EXPECT_EQ(SelfAttentionSpec{kPages}.blocks(32), 2);
}

TEST(KvCacheSpecTest, APageHoldsKeysAndValues) {
  EXPECT_EQ(kPages.page_bytes(), 2 * 16 * 8 * 64 * 2);
  KvCacheSpec wide = kPages;
  wide.dtype = kernels::DataType::kFloat32;
  EXPECT_EQ(wide.page_bytes(), 2 * kPages.page_bytes());
  EXPECT_EQ(KvCacheSpec{}.page_bytes(), 0);
}

TEST(KvCacheSpecTest, ABlockIsAPageInEveryLayer) {
  const int64_t block = 6 * kPages.page_bytes();
  const SelfAttentionSpec self{kPages};
  const CrossAttentionSpec cross{kPages};
  EXPECT_EQ(PoolBlocks(self, cross, 6, 10 * block).value(), 10);
  EXPECT_EQ(PoolBlocks(self, cross, 6, 11 * block - 1).value(), 10);
  EXPECT_EQ(PoolBlocks(self, cross, 6, block).value(), 1);
}

TEST(KvCacheSpecTest, ABudgetBelowOneBlockIsAnError) {
  const int64_t block = 6 * kPages.page_bytes();
  for (const int64_t bytes : {block - 1, int64_t{0}, int64_t{-1}}) {
    const auto blocks = PoolBlocks(SelfAttentionSpec{kPages}, CrossAttentionSpec{kPages}, 6, bytes);
    EXPECT_EQ(blocks.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(blocks.status().message()), HasSubstr(std::to_string(block)));
  }
}

TEST(KvCacheSpecTest, AHugeBudgetSaturates) {
  KvCacheSpec tiny = kPages;
  tiny.block_size = tiny.num_kv_heads = tiny.head_size = 1;
  EXPECT_EQ(PoolBlocks(SelfAttentionSpec{tiny}, CrossAttentionSpec{tiny}, 1,
                       std::numeric_limits<int64_t>::max())
                .value(),
            std::numeric_limits<int32_t>::max());
}

TEST(KvCacheSpecTest, PagesMustBeAlikeAndHaveASize) {
  KvCacheSpec other = kPages;
  other.head_size = 32;
  const auto differ = PoolBlocks(SelfAttentionSpec{kPages}, CrossAttentionSpec{other}, 6, 1 << 30);
  EXPECT_EQ(differ.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(differ.status().message()), HasSubstr("8 heads of 32 bfloat16"));
  EXPECT_EQ(PoolBlocks({}, {}, 6, 1 << 30).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      PoolBlocks(SelfAttentionSpec{kPages}, CrossAttentionSpec{kPages}, 0, 1 << 30).status().code(),
      absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace transept
