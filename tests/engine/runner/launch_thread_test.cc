#include "engine/runner/launch_thread.h"

#include <future>
#include <memory>

#include "gtest/gtest.h"

namespace transept {
namespace {

TEST(LaunchThreadTest, WorksBesideItsOwner) {
  LaunchThread thread;
  EXPECT_TRUE(thread.done());
  std::promise<void> go;
  int written = 0;
  thread.Start([&] {
    go.get_future().wait();
    written = 1;
  });
  EXPECT_FALSE(thread.done());
  go.set_value();
  thread.Await();
  EXPECT_TRUE(thread.done());
  EXPECT_EQ(written, 1);
}

TEST(LaunchThreadTest, OneWorkBehindTheOther) {
  LaunchThread thread;
  int sum = 0;
  for (int i = 1; i <= 100; ++i) {
    thread.Start([&sum, owned = std::make_unique<int>(i)] { sum += *owned; });
    thread.Await();
  }
  EXPECT_EQ(sum, 5050);
}

TEST(LaunchThreadTest, IsNotGoneBeforeItsWork) {
  int written = 0;
  {
    LaunchThread thread;
    thread.Start([&] { written = 1; });
  }
  EXPECT_EQ(written, 1);
}

TEST(LaunchThreadTest, WhatTheWorkOwnsGoesBeforeItIsDone) {
  LaunchThread thread;
  const auto shared = std::make_shared<int>(1);
  thread.Start([shared] {});
  thread.Await();
  EXPECT_EQ(shared.use_count(), 1);
}

}  // namespace
}  // namespace transept
