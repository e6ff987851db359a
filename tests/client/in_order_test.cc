#include "client/in_order.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>

namespace transept::client {
namespace {

using Squares = InOrder<int, int>;

std::function<bool(int*)> CountTo(int end, int* next) {
  return [end, next](int* item) {
    if (*next == end) return false;
    *item = (*next)++;
    return true;
  };
}

TEST(InOrder, DeliversInTheOrderOfTheItems) {
  for (const int threads : {1, 2, 16}) {
    int next = 0;
    std::vector<int> results;
    Squares(threads, {CountTo(200, &next),
                      [](int item) {
                        // Later items of a group are quicker.
                        std::this_thread::sleep_for(std::chrono::microseconds((7 - item % 8) * 50));
                        return item * item;
                      },
                      [&](int result) {
                        results.push_back(result);
                        return true;
                      }})
        .Run();
    ASSERT_EQ(results.size(), 200u);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(results[i], i * i);
  }
}

TEST(InOrder, NoItemsMeansNoResults) {
  int next = 0;
  Squares(4, {CountTo(0, &next), [](int) { return 0; },
              [](int) {
                ADD_FAILURE();
                return true;
              }})
      .Run();
}

TEST(InOrder, WorksOnAsManyItemsAsThreads) {
  // Each item waits until four are under way: this ends only if four threads work at once.
  std::latch together(4);
  int next = 0;
  Squares(4, {CountTo(4, &next),
              [&](int item) {
                together.arrive_and_wait();
                return item;
              },
              [](int) { return true; }})
      .Run();
}

TEST(InOrder, BoundsHowFarItRunsAheadOfASlowItem) {
  constexpr int kThreads = 3;
  int next = 0;
  std::atomic<int> done = 0;
  Squares(kThreads, {CountTo(100, &next),
                     [&](int item) {
                       if (item == 0) {
                         while (done < 4 * kThreads - 1) std::this_thread::yield();
                         std::this_thread::sleep_for(std::chrono::milliseconds(20));
                         EXPECT_EQ(done, 4 * kThreads - 1);
                       }
                       ++done;
                       return item;
                     },
                     [](int) { return true; }})
      .Run();
  EXPECT_EQ(done, 100);
}

TEST(InOrder, ResultsGetOutWhileTheNextItemIsAwaited) {
  std::latch delivered(1);
  int next = 0;
  Squares(2, {[&](int* item) {
                if (next == 1) delivered.wait();  // the second item comes after the first result
                *item = next;
                return next++ < 2;
              },
              [](int item) { return item; },
              [&](int result) {
                if (result == 0) delivered.count_down();
                return true;
              }})
      .Run();
}

TEST(InOrder, StopsWhenTheReceiverHasEnough) {
  int next = 0;
  int delivered = 0;
  Squares(4, {CountTo(1'000'000, &next), [](int item) { return item; },
              [&](int) { return ++delivered < 10; }})
      .Run();
  EXPECT_EQ(delivered, 10);
  EXPECT_LT(next, 10 + 2 * 4 * 4);
}

}  // namespace
}  // namespace transept::client
