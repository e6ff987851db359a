#include "kernels/cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace transept::kernels::cpu {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {
 protected:
  ThreadPool pool_{GetParam()};
};

TEST_P(ThreadPoolTest, CoversEveryIndexOnce) {
  for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
    for (const int64_t grain : {0, 1, 3, 64, 5000}) {
      std::vector<std::atomic<int>> visits(count);
      pool_.ParallelFor(count, grain, [&](int64_t begin, int64_t end) {
        ASSERT_LT(begin, end);
        ASSERT_LE(end, count);
        for (int64_t i = begin; i < end; ++i) ++visits[i];
      });
      for (const auto& visit : visits) ASSERT_EQ(visit, 1);
    }
  }
}

TEST_P(ThreadPoolTest, RangesAreMultiplesOfTheGrain) {
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> ranges;
  pool_.ParallelFor(100, 8, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace(begin, end);
  });
  for (const auto& [begin, end] : ranges) {
    EXPECT_EQ(begin % 8, 0);
    EXPECT_TRUE(end % 8 == 0 || end == 100);
  }
}

TEST_P(ThreadPoolTest, WorkersAreDistinctWhileTheyRun) {
  std::vector<std::atomic<int>> inside(pool_.size());
  for (int loop = 0; loop < 200; ++loop) {
    pool_.ParallelFor(50, 1, [&](int64_t, int64_t, int worker) {
      ASSERT_GE(worker, 0);
      ASSERT_LT(worker, pool_.size());
      ASSERT_EQ(++inside[worker], 1);
      --inside[worker];
    });
  }
}

TEST_P(ThreadPoolTest, LoopsSeeWhatEarlierLoopsWrote) {
  std::vector<int64_t> values(500, 0);  // not atomic: each loop must happen after the last
  for (int loop = 0; loop < 500; ++loop) {
    pool_.ParallelFor(500, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) values[i] = values[499 - i] * 0 + loop;
    });
    for (const int64_t value : values) ASSERT_EQ(value, loop);
  }
}

TEST_P(ThreadPoolTest, WakesAfterSleeping) {
  for (int loop = 0; loop < 5; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int64_t> sum = 0;
    pool_.ParallelFor(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    EXPECT_EQ(sum, 100);
  }
}

TEST_P(ThreadPoolTest, OtherThreadsTakePart) {
  if (pool_.size() == 1) GTEST_SKIP() << "a pool of one is its caller";
  std::mutex mutex;
  std::set<std::thread::id> threads;
  pool_.ParallelFor(64, 1, [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_GT(threads.size(), 1u);
  EXPECT_LE(threads.size(), static_cast<size_t>(pool_.size()));
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST(ThreadPool, SizeIsAtLeastOne) {
  ThreadPool pool(0);
  EXPECT_EQ(pool.size(), 1);
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

}  // namespace
}  // namespace transept::kernels::cpu
