#include "server/worker_pool.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "tests/server/gate.h"

namespace transept::server {
namespace {

using testing::ElementsAre;

TEST(WorkerPoolTest, RunsInOrderButWorkOfAdmittedCallsFirst) {
  std::vector<std::string> order;
  {
    Gate gate;
    WorkerPool pool(1, 10);
    pool.Add([&] { gate.Wait(); });
    gate.AwaitWaiters(1);
    EXPECT_TRUE(pool.TryAdd([&] { order.push_back("new 1"); }));
    EXPECT_TRUE(pool.TryAdd([&] { order.push_back("new 2"); }));
    pool.Add([&] { order.push_back("running 1"); });
    pool.Add([&] { order.push_back("running 2"); });
    gate.Open();
  }  // runs what is waiting
  EXPECT_THAT(order, ElementsAre("running 1", "running 2", "new 1", "new 2"));
}

TEST(WorkerPoolTest, NewWorkStartsBesideWorkWithoutEnd) {
  int before = 0;  // this and the next are the one thread's
  bool started = false;
  {
    WorkerPool* its_own = nullptr;
    const std::function<void()> go_on = [&] {
      if (started || before == 100) return;
      ++before;
      its_own->Add(go_on);
    };
    Gate gate;
    WorkerPool pool(1, 10);
    its_own = &pool;
    pool.Add([&] { gate.Wait(); });
    gate.AwaitWaiters(1);
    pool.Add(go_on);
    ASSERT_TRUE(pool.TryAdd([&] { started = true; }));
    gate.Open();
  }
  EXPECT_TRUE(started);
  EXPECT_EQ(before, 16);
}

TEST(WorkerPoolTest, RefusesNewWorkOnlyAboveTheLimit) {
  std::atomic<int> ran = 0;
  {
    Gate gate;
    WorkerPool pool(1, 2);
    ASSERT_TRUE(pool.TryAdd([&] { gate.Wait(); }));
    gate.AwaitWaiters(1);
    EXPECT_TRUE(pool.TryAdd([&] { ++ran; }));
    EXPECT_TRUE(pool.TryAdd([&] { ++ran; }));
    auto captured = std::make_shared<int>(1);
    EXPECT_FALSE(pool.TryAdd([captured, &ran] { ran += 100; }));
    EXPECT_EQ(captured.use_count(), 1);  // a refused task is gone
    pool.Add([&] { ++ran; });
    gate.Open();
  }
  EXPECT_EQ(ran, 3);
}

TEST(WorkerPoolTest, TasksRunSideBySide) {
  Gate gate;
  WorkerPool pool(3, 10);
  for (int i = 0; i < 3; ++i) pool.Add([&] { gate.Wait(); });
  gate.AwaitWaiters(3);
  gate.Open();
}

// Whoever sleeps is woken by others, one after the other, whatever comes in between.
TEST(WorkerPoolTest, BurstsWakeAllThreads) {
  WorkerPool pool(4, 1000);
  for (int round = 0; round < 200; ++round) {
    const auto gate = std::make_shared<Gate>();
    const auto ran = std::make_shared<std::atomic<int>>(0);
    for (int i = 0; i < 3; ++i) pool.Add([ran] { ++*ran; });
    for (int i = 0; i < 4; ++i) {
      if (i % 2 == 0) {
        pool.Add([gate] { gate->Wait(); });
      } else {
        ASSERT_TRUE(pool.TryAdd([gate] { gate->Wait(); }));
      }
    }
    gate->AwaitWaiters(4);
    EXPECT_EQ(*ran, 3);
    gate->Open();
  }
}

TEST(WorkerPoolTest, TasksMayAddTasks) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(2, 10);
    pool.Add([&] {
      for (int i = 0; i < 5; ++i) pool.Add([&] { ++ran; });
    });
  }
  EXPECT_EQ(ran, 5);
}

}  // namespace
}  // namespace transept::server
