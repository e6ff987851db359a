#include "engine/cache/block_pool.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace transept {
namespace {

TEST(BlockPoolTest, HandsOutEveryBlockOnce) {
  BlockPool pool(5);
  std::set<BlockId> seen;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(pool.CanAllocate(5 - i));
    seen.insert(pool.Allocate());
  }
  EXPECT_EQ(seen, (std::set<BlockId>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.num_used(), 5);
  EXPECT_FALSE(pool.CanAllocate(1));
  EXPECT_TRUE(pool.CanAllocate(0));
}

TEST(BlockPoolTest, ABlockIsFreeAfterItsLastReference) {
  BlockPool pool(2);
  const std::vector<BlockId> blocks = {pool.Allocate(), pool.Allocate()};
  pool.AddReference(blocks);
  EXPECT_EQ(pool.references(blocks[0]), 2);
  pool.Release(blocks);
  EXPECT_EQ(pool.num_free(), 0);
  pool.Release({blocks[0]});
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.references(blocks[0]), 0);
  EXPECT_EQ(pool.Allocate(), blocks[0]);
}

TEST(BlockPoolTest, AnEmptyPoolIsLegal) {
  const BlockPool pool(0);
  EXPECT_EQ(pool.num_blocks(), 0);
  EXPECT_FALSE(pool.CanAllocate(1));
}

TEST(BlockPoolDeathTest, MisuseEndsTheProcess) {
  BlockPool pool(1);
  EXPECT_DEATH(pool.Release({0}), "Release of a free block");
  EXPECT_DEATH(pool.AddReference({0}), "AddReference to a free block");
  pool.Allocate();
  EXPECT_DEATH(pool.Allocate(), "without a free block");
}

}  // namespace
}  // namespace transept
