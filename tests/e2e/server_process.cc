#include "tests/e2e/server_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace transept {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kPause{5};

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string NewFolder() {
  std::string folder = ::testing::TempDir() + "/server_process.XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  return folder;
}

// Runs in the child: only calls that are safe after fork.
[[noreturn]] void Execute(char* const* arguments, const char* out, const char* err) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  if (dup2(open(out, kFlags, 0600), STDOUT_FILENO) < 0) _exit(126);
  if (dup2(open(err, kFlags, 0600), STDERR_FILENO) < 0) _exit(126);
  execv(arguments[0], arguments);
  _exit(127);
}

pid_t Spawn(const std::vector<std::string>& arguments, const std::string& folder) {
  std::string program = TRANSEPT_SERVER_PROGRAM;
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers = {program.data()};
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const std::string out = folder + "/out";
  const std::string err = folder + "/err";
  const pid_t pid = fork();
  if (pid == 0) Execute(pointers.data(), out.c_str(), err.c_str());
  EXPECT_GT(pid, 0);
  return pid;
}

// Waits for the process and collects what it wrote.
ProcessEnd WaitFor(pid_t pid, const std::string& folder, std::chrono::seconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  int state = 0;
  while (waitpid(pid, &state, WNOHANG) == 0) {
    if (Clock::now() >= deadline) {
      kill(pid, SIGKILL);
      waitpid(pid, &state, 0);
      break;
    }
    std::this_thread::sleep_for(kPause);
  }
  ProcessEnd end;
  if (WIFEXITED(state)) end.exit_code = WEXITSTATUS(state);
  end.out = Contents(folder + "/out");
  end.err = Contents(folder + "/err");
  return end;
}

// The rest of the line after `marker`, if the line is complete.
std::string RestOfLine(const std::string& text, const std::string& marker) {
  const size_t start = text.find(marker);
  const size_t end = text.find('\n', start);
  if (start == std::string::npos || end == std::string::npos) return "";
  return text.substr(start + marker.size(), end - start - marker.size());
}

}  // namespace

ProcessEnd RunServer(const std::vector<std::string>& arguments) {
  const std::string folder = NewFolder();
  ProcessEnd end = WaitFor(Spawn(arguments, folder), folder, kPatience);
  std::filesystem::remove_all(folder);
  return end;
}

ServerProcess::ServerProcess(std::vector<std::string> arguments) : folder_(NewFolder()) {
  arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
  pid_ = Spawn(arguments, folder_);
  const Clock::time_point deadline = Clock::now() + kPatience;
  while (address_.empty() && Clock::now() < deadline) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;
      break;
    }
    std::this_thread::sleep_for(kPause);
    address_ = RestOfLine(Contents(folder_ + "/out"), "listening on ");
  }
  EXPECT_FALSE(address_.empty()) << Contents(folder_ + "/err");
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(folder_);
}

void ServerProcess::Signal(int signal) const {
  ASSERT_EQ(kill(pid_, signal), 0);
}

ProcessEnd ServerProcess::Wait(std::chrono::seconds limit) {
  const pid_t pid = std::exchange(pid_, -1);
  return WaitFor(pid, folder_, limit);
}

}  // namespace transept
