// The listening gRPC server: our service, health, reflection, limits.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "config/config.h"

namespace transept::server {

class ModelRegistry;

class GrpcServer {
 public:
  // Listens and serves, on `models` which must outlive the server. UNAVAILABLE if the address can't
  // be listened on.
  //
  // Health answers for "" and "ready", "transept.v1.Transept" and "live". All serve at once.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const config::ServerConfig& config,
                                                           const ModelRegistry* models);

  // Cancels what is running and waits for it.
  ~GrpcServer();

  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // HOST:PORT, the port as bound.
  const std::string& address() const;

  // What health says, "live" excepted. Calls are accepted all the same.
  void SetReady(bool ready);

  // Asks the engines how they are. Once one can run nothing any more, health says NOT_SERVING for
  // good and under every name, "live" included: only a new process can help.
  void CheckEngines();

  // Stops listening, waits up to `limit` for running calls, cancels the rest and returns when all
  // are finished. At most once.
  void Shutdown(std::chrono::milliseconds limit);

 private:
  struct State;
  explicit GrpcServer(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
};

}  // namespace transept::server
