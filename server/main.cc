// transept-server: from the command line to a server that ends in good order.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <google/protobuf/stubs/logging.h>

#include "config/loader.h"
#include "server/command_line.h"
#include "server/grpc_server.h"
#include "server/listen_address.h"
#include "server/model_loader.h"
#include "server/model_registry.h"
#include "server/termination.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace transept::server {
namespace {

// How long a lost device may go unnoticed by those who ask for the server's health.
constexpr std::chrono::milliseconds kHealthPeriod(500);

// For calls to finish after the engines have drained, and for the process after everything.
constexpr std::chrono::seconds kFinishTime(1);
constexpr std::chrono::seconds kExitTime(10);

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// From the first signal to the end of the last call. Readiness goes first and the process last, so
// that load balancers can turn away while calls still succeed.
void ShutDown(const config::ServerConfig& config, const ModelRegistry& models, GrpcServer* server,
              Termination* termination) {
  const auto delay = Milliseconds(config.shutdown_delay_seconds);
  const auto drain = Milliseconds(config.drain_seconds);
  termination->ExitAfter(delay + drain + kFinishTime + kExitTime);
  spdlog::info("shutting down; running requests have {} s", config.drain_seconds);
  server->SetReady(false);
  std::this_thread::sleep_for(delay);
  const TimePoint deadline = Clock::now() + drain;
  for (const auto& model : models.models()) model->engine->Drain(deadline);
  server->Shutdown(kFinishTime);
}

absl::Status Serve(const config::Config& config, Termination* termination) {
  // gRPC's own check comes when all is loaded, and its reasons are hard to read.
  if (absl::Status status = CheckListenAddress(config.server.listen); !status.ok()) return status;
  ModelRegistry models;
  for (const config::ModelConfig& model_config : config.models) {
    auto model = LoadModel(model_config);
    if (!model.ok()) return model.status();
    if (absl::Status status = models.Add(*std::move(model)); !status.ok()) return status;
  }
  termination->KeepSignal();  // from its first moment on clients may have requests in flight
  auto server = GrpcServer::Start(config.server, &models);
  if (!server.ok()) return server.status();
  std::printf("listening on %s\n", (*server)->address().c_str());
  std::fflush(stdout);
  while (!termination->WaitForSignal(kHealthPeriod)) (*server)->CheckEngines();
  ShutDown(config.server, models, server->get(), termination);
  return absl::OkStatus();
}

int Fail(const absl::Status& status, int exit_code) {
  std::fprintf(stderr, "transept-server: %s\n", std::string(status.message()).c_str());
  return exit_code;
}

void SetUpLogs(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("transept"));
  spdlog::set_level(spdlog::level::from_str(level));
  // Protobuf reports malformed messages as errors: clients could fill the log with them.
  google::protobuf::SetLogHandler([](google::protobuf::LogLevel, const char*, int,
                                     const std::string& message) { spdlog::debug(message); });
}

int Main(absl::Span<const char* const> arguments) {
  const auto command_line = ParseCommandLine(arguments);
  if (!command_line.ok()) return Fail(command_line.status(), 2);
  if (command_line->help) {
    std::fputs(std::string(Usage()).c_str(), stdout);
    return 0;
  }
  if (command_line->version) {
    std::puts("transept-server " TRANSEPT_VERSION);
    return 0;
  }
  const auto config = ReadConfig(*command_line);
  if (!config.ok()) return Fail(config.status(), 2);
  if (command_line->check_config) {
    std::fputs(config::ToYaml(*config).c_str(), stdout);
    return 0;
  }
  Termination termination;
  SetUpLogs(config->server.log_level);
  const absl::Status status = Serve(*config, &termination);
  return status.ok() ? 0 : Fail(status, 1);
}

}  // namespace
}  // namespace transept::server

int main(int argc, char** argv) {
  return transept::server::Main({argv + 1, static_cast<size_t>(std::max(0, argc - 1))});
}
