#include "engine/types/progress.h"

#include <gtest/gtest.h>

namespace transept {
namespace {

using std::chrono::milliseconds;

TEST(Progress, IsDueTwoSecondsAfterItWasTold) {
  const TimePoint start = Clock::now();
  Progress progress(start);
  EXPECT_FALSE(progress.IsDue(start));
  EXPECT_FALSE(progress.IsDue(start + milliseconds(1999)));
  EXPECT_TRUE(progress.IsDue(start + milliseconds(2500)));
  EXPECT_FALSE(progress.IsDue(start + milliseconds(2500)));
  EXPECT_FALSE(progress.IsDue(start + milliseconds(4499)));
  EXPECT_TRUE(progress.IsDue(start + milliseconds(4500)));
}

}  // namespace
}  // namespace transept
