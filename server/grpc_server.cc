#include "server/grpc_server.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "absl/strings/str_cat.h"
#include "server/call_log.h"
#include "server/call_services.h"
#include "server/keep_awake.h"
#include "server/model_registry.h"
#include "server/request_ids.h"
#include "server/seeds.h"
#include "server/service.h"
#include "server/worker_pool.h"

namespace transept::server {
namespace {

constexpr const char* kReadyNames[] = {"", "ready", "transept.v1.Transept"};
constexpr const char* kLiveName = "live";

// A client may ping this often, and is pinged when it has been silent for long, so that calls of
// one that has vanished end.
constexpr int kMinClientPingIntervalMs = 20'000;
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

// gRPC's own buffers, over all connections: for this many of the largest requests at once.
constexpr int64_t kMessagesInQuota = 64;
constexpr int64_t kMinQuotaBytes = int64_t{256} << 20;
// gRPC's threads for the synchronous service that is left, reflection.
constexpr int kMaxSyncThreads = 8;

void SetLimits(const config::ServerConfig& config, grpc::ServerBuilder* builder) {
  const int64_t max_message = int64_t{config.max_message_mib} << 20;
  builder->SetMaxReceiveMessageSize(static_cast<int>(max_message));
  builder->SetMaxSendMessageSize(-1);  // bounded by max_new_tokens
  grpc::ResourceQuota quota("transept");
  quota.Resize(static_cast<size_t>(std::max(kMinQuotaBytes, kMessagesInQuota * max_message)));
  quota.SetMaxThreads(kMaxSyncThreads);
  builder->SetResourceQuota(quota);

  // Two servers must not share a port by accident.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, config.max_concurrent_streams);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinClientPingIntervalMs);
}

// `listen` with the port that was bound in place of the one asked for.
std::string BoundAddress(const std::string& listen, int port) {
  return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", port);
}

}  // namespace

// Calls and their tasks use what comes before `server`; the pool's end waits for the last task.
struct GrpcServer::State {
  State(const config::ServerConfig& config, const ModelRegistry* models)
      : seeds(uint64_t{std::random_device{}()} << 32 | std::random_device{}()),
        services{.models = models,
                 .pool = &pool,
                 .request_ids = &request_ids,
                 .seeds = &seeds,
                 .log = &log,
                 .max_outbox_tokens = config.max_outbox_tokens,
                 .stalled_stream = std::chrono::milliseconds(
                     static_cast<int64_t>(config.stalled_stream_seconds * 1000))},
        pool(config.tokenizer_threads, config.max_pending_tokenizations),
        service(NewTranseptService(services)) {}

  RequestIds request_ids;
  Seeds seeds;
  CallLog log;
  const CallServices services;
  WorkerPool pool;
  const std::unique_ptr<grpc::Service> service;
  std::string address;
  std::unique_ptr<grpc::Server> server;
  std::optional<KeepAwake> keep_awake;
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const config::ServerConfig& config,
                                                              const ModelRegistry* models) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  auto state = std::make_unique<State>(config, models);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config.listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(state->service.get());
  SetLimits(config, &builder);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", config.listen, "; the line of gRPC above says why"));
  }
  state->address = BoundAddress(config.listen, port);
  state->server->GetHealthCheckService()->SetServingStatus(kLiveName, true);
  state->keep_awake.emplace(state->server.get());
  std::unique_ptr<GrpcServer> server(new GrpcServer(std::move(state)));
  server->SetReady(true);
  return server;
}

GrpcServer::GrpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

GrpcServer::~GrpcServer() {
  Shutdown(std::chrono::milliseconds(0));
}

const std::string& GrpcServer::address() const {
  return state_->address;
}

void GrpcServer::SetReady(bool ready) {
  for (const char* name : kReadyNames) {
    state_->server->GetHealthCheckService()->SetServingStatus(name, ready);
  }
}

void GrpcServer::CheckEngines() {
  for (const auto& model : state_->services.models->models()) {
    if (model->engine->Health().ok()) continue;
    state_->server->GetHealthCheckService()->Shutdown();  // NOT_SERVING, and nothing changes it
  }
}

void GrpcServer::Shutdown(std::chrono::milliseconds limit) {
  if (!state_->keep_awake.has_value()) return;
  state_->keep_awake.reset();
  state_->server->Shutdown(std::chrono::system_clock::now() + limit);
}

}  // namespace transept::server
