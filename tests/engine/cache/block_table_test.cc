#include "engine/cache/block_table.h"

#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace transept {
namespace {

TEST(BlockTableTest, GrowsWithoutTouchingWhatItHas) {
  BlockPool pool(4);
  BlockTable table(&pool);
  table.GrowTo(2);
  const std::vector<BlockId> first(table.blocks().begin(), table.blocks().end());
  table.GrowTo(1);
  EXPECT_EQ(table.size(), 2);
  table.GrowTo(4);
  EXPECT_EQ(table.blocks().subspan(0, 2), absl::MakeConstSpan(first));
  EXPECT_EQ(pool.num_free(), 0);
}

TEST(BlockTableTest, GivesItsBlocksBack) {
  BlockPool pool(4);
  {
    BlockTable table(&pool);
    table.GrowTo(3);
    table.Clear();
    EXPECT_EQ(pool.num_used(), 0);
    table.GrowTo(1);
  }
  EXPECT_EQ(pool.num_used(), 0);
}

TEST(BlockTableTest, MovesItsBlocks) {
  BlockPool pool(4);
  BlockTable from(&pool);
  from.GrowTo(2);
  BlockTable to(std::move(from));
  EXPECT_EQ(to.size(), 2);
  BlockTable other(&pool);
  other.GrowTo(2);
  other = std::move(to);
  EXPECT_EQ(other.size(), 2);
  EXPECT_EQ(pool.num_used(), 2);
}

TEST(BlockTableTest, BeginsWithBlocksOfAnotherAndKeepsThem) {
  BlockPool pool(4);
  BlockTable second(&pool);
  {
    BlockTable first(&pool);
    first.GrowTo(3);
    second.Share(first, 2);
    EXPECT_EQ(second.blocks(), first.blocks().first(2));
    EXPECT_EQ(pool.num_used(), 3);
  }
  EXPECT_EQ(pool.num_used(), 2);
  second.GrowTo(3);
  EXPECT_EQ(pool.num_used(), 3);
  second.Clear();
  EXPECT_EQ(pool.num_used(), 0);
}

}  // namespace
}  // namespace transept
