// Measures what server/keep_awake.h is for: the latency of single calls after irregular silences.
//
//   server_idle_latency [CALLS [SHORTEST_GAP_MS LONGEST_GAP_MS]]
//
// Runs two servers, one with KeepAwake and one without, each in a process of its own since gRPC's
// callback threads belong to the process, and calls both after the same silences. Prints one JSON
// line for each.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/wait.h>
#include <unistd.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/keep_awake.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

using Clock = std::chrono::steady_clock;

// Serves what our server serves, health and reflection included, in a child process, which writes
// its port into a pipe and lives until the parent closes another.
class ServerProcess {
 public:
  explicit ServerProcess(bool keep_awake) {
    int to_parent[2], to_child[2];
    if (pipe(to_parent) != 0 || pipe(to_child) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(to_child[1]);
      Serve(keep_awake, to_parent[1], to_child[0]);
      std::_Exit(0);
    }
    close(to_parent[1]);
    close(to_child[0]);
    stop_ = to_child[1];
    if (read(to_parent[0], &port_, sizeof port_) != sizeof port_) std::abort();
    close(to_parent[0]);
  }
  ~ServerProcess() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  int port() const { return port_; }

 private:
  static void Serve(bool keep_awake, int port_pipe, int stop_pipe) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    v1::Transept::CallbackService service;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    std::optional<KeepAwake> awake;
    if (keep_awake) awake.emplace(server.get());
    if (write(port_pipe, &port, sizeof port) != sizeof port) std::abort();
    char end;
    while (read(stop_pipe, &end, 1) > 0) continue;
  }

  pid_t pid_ = 0;
  int port_ = 0;
  int stop_ = 0;
};

class Client {
 public:
  explicit Client(int port)
      : stub_(grpc::health::v1::Health::NewStub(grpc::CreateChannel(
            "127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()))) {}

  void Call() {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    const auto start = Clock::now();
    if (!stub_->Check(&context, {}, &response).ok()) std::abort();
    milliseconds_.push_back(
        std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }

  // The first call, which connects, does not count.
  void Print(const char* name) {
    std::vector<double> sorted(milliseconds_.begin() + 1, milliseconds_.end());
    std::sort(sorted.begin(), sorted.end());
    const auto slow =
        std::count_if(sorted.begin(), sorted.end(), [](double ms) { return ms > 20; });
    std::printf(
        "{\"server\": \"%s\", \"calls\": %zu, \"median_ms\": %.2f, \"max_ms\": %.2f, "
        "\"over_20_ms\": %td}\n",
        name, sorted.size(), sorted[sorted.size() / 2], sorted.back(), slow);
  }

 private:
  std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
  std::vector<double> milliseconds_;
};

int Main(int argc, char** argv) {
  const int calls = argc > 1 ? std::atoi(argv[1]) : 30;
  const int shortest = argc > 3 ? std::atoi(argv[2]) : 800;
  const int longest = argc > 3 ? std::atoi(argv[3]) : 3000;
  if (calls < 1 || shortest < 0 || longest < shortest) return 2;

  // Both before the first use of gRPC here, which would not survive the fork.
  ServerProcess bare_server(false);
  ServerProcess awake_server(true);
  Client bare(bare_server.port());
  Client awake(awake_server.port());
  bare.Call();
  awake.Call();
  std::mt19937 random(1);
  std::uniform_int_distribution<int> gap(shortest, longest);
  for (int i = 0; i < calls; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(gap(random)));
    awake.Call();
    bare.Call();
  }
  bare.Print("without keep-awake");
  awake.Print("with keep-awake");
  return 0;
}

}  // namespace
}  // namespace transept::server

int main(int argc, char** argv) {
  return transept::server::Main(argc, argv);
}
