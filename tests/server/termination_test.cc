#include "server/termination.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <unistd.h>

#include "gtest/gtest.h"

namespace transept::server {
namespace {

using std::chrono::milliseconds;
using testing::ExitedWithCode;

// Each case runs in a child process.
class TerminationDeathTest : public testing::Test {
 protected:
  TerminationDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  static void SignalLater(int signal, milliseconds delay) {
    std::thread([=] {
      std::this_thread::sleep_for(delay);
      kill(getpid(), signal);
    }).detach();
  }
  // Longer than any other time here.
  [[noreturn]] static void Hang() {
    std::this_thread::sleep_for(std::chrono::minutes(1));
    std::_Exit(9);
  }
};

TEST_F(TerminationDeathTest, TheFirstSignalIsARequest) {
  const auto wait = [](int signal) {
    Termination termination;
    SignalLater(signal, milliseconds(300));
    termination.WaitForSignal(std::chrono::minutes(1));
    std::_Exit(0);
  };
  EXPECT_EXIT(wait(SIGTERM), ExitedWithCode(0), "");
  EXPECT_EXIT(wait(SIGINT), ExitedWithCode(0), "");
}

// A server that is signalled between listening and waiting.
TEST_F(TerminationDeathTest, ASignalIsKeptUntilTheWait) {
  const auto wait = [] {
    Termination termination;
    termination.KeepSignal();
    kill(getpid(), SIGTERM);
    std::this_thread::sleep_for(milliseconds(300));
    std::_Exit(termination.WaitForSignal(milliseconds(0)) ? 0 : 7);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(0), "");
}

TEST_F(TerminationDeathTest, WithoutASignalTheWaitHasALimit) {
  const auto wait = [] {
    Termination termination;
    if (termination.WaitForSignal(milliseconds(10))) std::_Exit(8);
    SignalLater(SIGTERM, milliseconds(300));
    std::_Exit(termination.WaitForSignal(std::chrono::minutes(1)) ? 0 : 7);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(0), "");
}

TEST_F(TerminationDeathTest, TheSecondSignalEndsTheProcess) {
  const auto wait = [] {
    Termination termination;
    SignalLater(SIGTERM, milliseconds(300));
    termination.WaitForSignal(std::chrono::minutes(1));
    SignalLater(SIGTERM, 2 * Termination::kSameSignal);
    Hang();
  };
  EXPECT_EXIT(wait(), ExitedWithCode(128 + SIGTERM), "");
}

TEST_F(TerminationDeathTest, ASignalToTheProcessAndItsGroupIsOne) {
  const auto wait = [] {
    Termination termination;
    std::thread([] {
      std::this_thread::sleep_for(milliseconds(300));
      kill(getpid(), SIGTERM);
      kill(getpid(), SIGTERM);
    }).detach();
    termination.WaitForSignal(std::chrono::minutes(1));
    std::this_thread::sleep_for(2 * Termination::kSameSignal);
    std::_Exit(0);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(0), "");
}

TEST_F(TerminationDeathTest, BeforeAnybodyWaitsASignalEndsTheProcess) {
  const auto load = [] {
    Termination termination;
    SignalLater(SIGTERM, milliseconds(0));
    Hang();
  };
  EXPECT_EXIT(load(), ExitedWithCode(128 + SIGTERM), "");
}

TEST_F(TerminationDeathTest, AShutdownThatHangsIsCutShort) {
  const auto hang = [] {
    Termination termination;
    termination.ExitAfter(milliseconds(50));
    Hang();
  };
  EXPECT_EXIT(hang(), ExitedWithCode(1), "");
}

TEST_F(TerminationDeathTest, WithoutSignalsNothingHappens) {
  const auto run = [] {
    {
      Termination termination;
      termination.ExitAfter(std::chrono::minutes(1));
    }
    std::_Exit(7);
  };
  EXPECT_EXIT(run(), ExitedWithCode(7), "");
}

}  // namespace
}  // namespace transept::server
