// A transept-server process of the build under test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace transept {

// How a process ended, and all that it wrote to its two outputs.
struct ProcessEnd {
  std::optional<int> exit_code;  // none: a signal ended it
  std::string out;
  std::string err;
};

// Runs the server with these arguments until it ends; kills it after a minute.
ProcessEnd RunServer(const std::vector<std::string>& arguments);

// A server that is running, killed by the destructor if it still is. Not thread-safe.
class ServerProcess {
 public:
  // Starts it on a free port of the loopback and waits until it serves. Fails the test, and leaves
  // address() empty, when it does not within a minute.
  explicit ServerProcess(std::vector<std::string> arguments);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }

  void Signal(int signal) const;

  // Waits for the end of the process; kills it, and so has no exit code, after `limit`.
  ProcessEnd Wait(std::chrono::seconds limit);

 private:
  std::string folder_;  // holds what the process writes
  pid_t pid_ = -1;      // -1 once waited for
  std::string address_;
};

}  // namespace transept
