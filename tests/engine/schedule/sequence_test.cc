#include "engine/schedule/sequence.h"

#include <limits>

#include "gtest/gtest.h"

namespace transept {
namespace {

using std::chrono::seconds;

TEST(AdmissionKeyTest, EarlierComesFirstThenTheLowerId) {
  const TimePoint now = TimePoint() + seconds(100);
  const auto first = MakeAdmissionKey(now, 0, seconds(30), 2);
  EXPECT_LT(first, MakeAdmissionKey(now + seconds(1), 0, seconds(30), 1));
  EXPECT_LT(first, MakeAdmissionKey(now, 0, seconds(30), 3));
}

TEST(AdmissionKeyTest, ALevelIsWorthOneInterval) {
  const TimePoint now = TimePoint() + seconds(100);
  const auto plain = MakeAdmissionKey(now, 0, seconds(30), 1);
  EXPECT_LT(MakeAdmissionKey(now + seconds(29), 1, seconds(30), 2), plain);
  EXPECT_GT(MakeAdmissionKey(now + seconds(31), 1, seconds(30), 2), plain);
  EXPECT_GT(MakeAdmissionKey(now - seconds(29), -1, seconds(30), 2), plain);
}

TEST(AdmissionKeyTest, ExtremePrioritiesSaturateInOrder) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  constexpr int32_t kLeast = std::numeric_limits<int32_t>::min();
  const TimePoint now = Clock::now();
  for (const Duration interval : {Duration(1), Duration(seconds(30)), Duration(seconds(1 << 30))}) {
    const auto plain = MakeAdmissionKey(now, 0, interval, 1);
    EXPECT_LT(MakeAdmissionKey(now, kMost, interval, 2), plain);
    EXPECT_GT(MakeAdmissionKey(now, kLeast, interval, 2), plain);
  }
  EXPECT_EQ(MakeAdmissionKey(now, kMost, Duration::zero(), 1),
            MakeAdmissionKey(now, 0, Duration::zero(), 1));
}

}  // namespace
}  // namespace transept
