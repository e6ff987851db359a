#include "engine/cache/source_cache.h"

#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace transept {
namespace {

constexpr int32_t kBlockSize = 4;

std::vector<TokenId> Source(TokenId first, int32_t length) {
  std::vector<TokenId> tokens(length);
  for (int32_t i = 0; i < length; ++i) tokens[i] = first + i;
  return tokens;
}

// Takes, marks written, gives back.
void Use(SourceCache* cache, absl::Span<const TokenId> source) {
  SourceRef ref = cache->Acquire(source);
  ref.MarkWritten(1);
}

TEST(SourceCacheTest, ANewSourceGetsItsBlocksAndIsNotWritten) {
  BlockPool pool(8);
  SourceCache cache(&pool, kBlockSize, true);
  const auto tokens = Source(1, 9);
  EXPECT_EQ(cache.BlocksToAcquire(tokens), 3);
  const SourceRef ref = cache.Acquire(tokens);
  EXPECT_EQ(ref.blocks().size(), 3u);
  EXPECT_EQ(ref.length(), 9);
  EXPECT_EQ(ref.tokens(), absl::MakeConstSpan(tokens));
  EXPECT_FALSE(ref.written());
  EXPECT_FALSE(cache.IsWritten(tokens));
  EXPECT_EQ(pool.num_used(), 3);
}

TEST(SourceCacheTest, IdenticalSourcesShareBlocksAndState) {
  BlockPool pool(8);
  for (const bool keep_idle : {true, false}) {
    SourceCache cache(&pool, kBlockSize, keep_idle);
    SourceRef first = cache.Acquire(Source(1, 9));
    EXPECT_EQ(cache.BlocksToAcquire(Source(1, 9)), 0);
    SourceRef second = cache.Acquire(Source(1, 9));
    EXPECT_EQ(first.blocks(), second.blocks());
    EXPECT_FALSE(second.written());
    first.MarkWritten(1);
    EXPECT_TRUE(second.written());
    first.Reset();
    EXPECT_TRUE(second.written());
    EXPECT_EQ(pool.num_used(), 3);
  }
}

TEST(SourceCacheTest, SourcesThatDifferInOneTokenOrInLengthShareNothing) {
  BlockPool pool(8);
  SourceCache cache(&pool, kBlockSize, true);
  const SourceRef a = cache.Acquire({1, 2, 3});
  const SourceRef b = cache.Acquire({1, 2, 4});
  const SourceRef c = cache.Acquire({1, 2});
  EXPECT_EQ(pool.num_used(), 3);
}

TEST(SourceCacheTest, AWrittenSourceOutlivesItsUsers) {
  BlockPool pool(8);
  SourceCache cache(&pool, kBlockSize, true);
  Use(&cache, Source(1, 9));
  EXPECT_EQ(cache.idle_blocks(), 3);
  EXPECT_EQ(pool.num_used(), 3);
  EXPECT_TRUE(cache.IsWritten(Source(1, 9)));
  EXPECT_EQ(cache.BlocksToAcquire(Source(1, 9)), 3);  // they are no longer to be had afterwards
  const SourceRef again = cache.Acquire(Source(1, 9));
  EXPECT_TRUE(again.written());
  EXPECT_EQ(cache.idle_blocks(), 0);
}

TEST(SourceCacheTest, AnUnwrittenSourceGoesWithItsUser) {
  BlockPool pool(8);
  SourceCache cache(&pool, kBlockSize, true);
  cache.Acquire(Source(1, 9)).Reset();
  EXPECT_EQ(pool.num_used(), 0);
}

TEST(SourceCacheTest, WhenDisabledASourceGoesWithItsLastUser) {
  BlockPool pool(8);
  SourceCache cache(&pool, kBlockSize, false);
  Use(&cache, Source(1, 9));
  EXPECT_EQ(pool.num_used(), 0);
  EXPECT_FALSE(cache.IsWritten(Source(1, 9)));
}

TEST(SourceCacheTest, EvictsTheLeastRecentlyUsedFirst) {
  BlockPool pool(3);
  SourceCache cache(&pool, kBlockSize, true);
  Use(&cache, Source(10, 4));
  Use(&cache, Source(20, 4));
  Use(&cache, Source(30, 4));
  Use(&cache, Source(10, 4));
  cache.Reclaim(1);
  EXPECT_FALSE(cache.IsWritten(Source(20, 4)));
  EXPECT_TRUE(cache.IsWritten(Source(30, 4)));
  EXPECT_TRUE(cache.IsWritten(Source(10, 4)));
  cache.Reclaim(2);
  EXPECT_FALSE(cache.IsWritten(Source(30, 4)));
  EXPECT_TRUE(cache.IsWritten(Source(10, 4)));
}

TEST(SourceCacheTest, AcquireEvictsButNeverWhatItAskedFor) {
  BlockPool pool(3);
  SourceCache cache(&pool, kBlockSize, true);
  Use(&cache, Source(10, 4));
  Use(&cache, Source(20, 4));
  const SourceRef old = cache.Acquire(Source(10, 4));
  EXPECT_TRUE(old.written());
  EXPECT_TRUE(cache.CanReclaim(2));
  EXPECT_FALSE(cache.CanReclaim(3));
  const SourceRef big = cache.Acquire(Source(50, 8));
  EXPECT_FALSE(cache.IsWritten(Source(20, 4)));
  EXPECT_EQ(pool.num_free(), 0);
}

TEST(SourceCacheTest, ClearForgetsWhatIsIdleOnly) {
  BlockPool pool(4);
  SourceCache cache(&pool, kBlockSize, true);
  Use(&cache, Source(10, 4));
  SourceRef used = cache.Acquire(Source(20, 4));
  used.MarkWritten(1);
  cache.Clear();
  EXPECT_FALSE(cache.IsWritten(Source(10, 4)));
  EXPECT_TRUE(cache.IsWritten(Source(20, 4)));
  EXPECT_EQ(pool.num_used(), 1);
  EXPECT_EQ(cache.idle_blocks(), 0);
}

TEST(SourceCacheTest, SharesMove) {
  BlockPool pool(4);
  SourceCache cache(&pool, kBlockSize, false);
  SourceRef a = cache.Acquire(Source(10, 4));
  SourceRef b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): a moved-from share is null
  EXPECT_TRUE(b);
  b = cache.Acquire(Source(20, 8));
  EXPECT_EQ(pool.num_used(), 2);
  b = SourceRef();
  EXPECT_EQ(pool.num_used(), 0);
}

// Random use against the plain facts: blocks of sources in use are distinct, counted, and stay put.
TEST(SourceCacheTest, RandomUseKeepsTheBooks) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    BlockPool pool(12);
    const bool keep_idle = seed % 2 == 0;
    SourceCache cache(&pool, kBlockSize, keep_idle);
    std::vector<SourceRef> users;
    for (int step = 0; step < 200; ++step) {
      const auto tokens = Source(1 + static_cast<TokenId>(random() % 5) * 100,
                                 1 + static_cast<int32_t>(random() % 14));
      if (random() % 2 == 0 && cache.CanReclaim(cache.BlocksToAcquire(tokens))) {
        const bool written = cache.IsWritten(tokens);
        SourceRef ref = cache.Acquire(tokens);
        ASSERT_EQ(ref.written(), written);
        ASSERT_EQ(ref.tokens(), absl::MakeConstSpan(tokens));
        if (random() % 4 != 0) ref.MarkWritten(1);
        users.push_back(std::move(ref));
      } else if (!users.empty()) {
        std::swap(users[random() % users.size()], users.back());
        users.pop_back();
      }
      std::vector<int32_t> references(pool.num_blocks(), 0);
      for (const SourceRef& user : users) {
        for (const BlockId block : user.blocks()) ++references[block];
      }
      int32_t in_use = 0;
      for (BlockId block = 0; block < pool.num_blocks(); ++block) {
        if (references[block] == 0) continue;
        ++in_use;
        ASSERT_EQ(pool.references(block), references[block] + 1);
      }
      ASSERT_EQ(pool.num_used(), in_use + cache.idle_blocks());
      if (!keep_idle) {
        ASSERT_EQ(cache.idle_blocks(), 0);
      }
    }
    users.clear();
    ASSERT_EQ(pool.num_used(), cache.idle_blocks());
    cache.Clear();
    ASSERT_EQ(pool.num_used(), 0);
  }
}

}  // namespace
}  // namespace transept
