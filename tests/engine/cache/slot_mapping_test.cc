#include "engine/cache/slot_mapping.h"

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SlotMappingTest, ARangeCrossesBlocks) {
  const std::vector<BlockId> blocks = {7, 2, 5};
  std::vector<int64_t> slots = {-1};
  AppendSlots({blocks, 2, 5}, 4, &slots);
  EXPECT_THAT(slots, ElementsAre(-1, 30, 31, 8, 9, 10));
  AppendSlots({blocks, 11, 1}, 4, &slots);
  EXPECT_EQ(slots.back(), 23);
}

TEST(SlotMappingTest, AnEmptyRangeAppendsNothing) {
  std::vector<int64_t> slots;
  AppendSlots({{}, 0, 0}, 16, &slots);
  EXPECT_THAT(slots, IsEmpty());
}

TEST(SlotMappingTest, SlotsAreWiderThanBlockIds) {
  const std::vector<BlockId> blocks = {std::numeric_limits<BlockId>::max()};
  std::vector<int64_t> slots;
  AppendSlots({blocks, 15, 1}, 16, &slots);
  EXPECT_THAT(slots, ElementsAre(int64_t{std::numeric_limits<BlockId>::max()} * 16 + 15));
}

TEST(CrossSlotMappingTest, SourcesAreConcatenatedInBatchOrder) {
  const std::vector<TokenId> a = {10, 11, 12, 13, 14};
  const std::vector<TokenId> b = {20, 21, 22};
  const std::vector<BlockId> a_blocks = {3, 1};
  const std::vector<BlockId> b_blocks = {0};
  std::vector<int64_t> slots;
  AppendCrossSlots({{a, a_blocks}, {b, b_blocks}}, 4, &slots);
  EXPECT_THAT(slots, ElementsAre(12, 13, 14, 15, 4, 0, 1, 2));
}

TEST(CrossSlotMappingTest, SourcesWithoutBlocksGoNowhere) {
  const std::vector<TokenId> source = {10, 11};
  const std::vector<BlockId> blocks = {3};
  std::vector<int64_t> slots;
  AppendCrossSlots({{source, blocks}, {source, {}}, {source, blocks}}, 4, &slots);
  EXPECT_THAT(slots, ElementsAre(12, 13, -1, -1, 12, 13));
}

TEST(CrossSlotMappingTest, IsEmptyWithoutSources) {
  std::vector<int64_t> slots;
  AppendCrossSlots({}, 16, &slots);
  EXPECT_THAT(slots, IsEmpty());
}

// The definition, one position at a time.
TEST(CrossSlotMappingTest, FollowsTheFormula) {
  for (const int32_t block_size : {1, 2, 3, 16}) {
    for (const int32_t length : {1, 2, 15, 16, 17, 48}) {
      std::vector<BlockId> blocks;
      for (int32_t i = 0; i * block_size < length; ++i) blocks.push_back((i * 37 + 11) % 101);
      const std::vector<TokenId> source(length, 9);
      std::vector<int64_t> slots;
      AppendCrossSlots({{source, blocks}}, block_size, &slots);
      ASSERT_EQ(slots.size(), source.size());
      for (int32_t i = 0; i < length; ++i) {
        EXPECT_EQ(slots[i], blocks[i / block_size] * block_size + i % block_size);
      }
    }
  }
}

}  // namespace
}  // namespace transept
