#include "server/keep_awake.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace transept::server {
namespace {

constexpr std::chrono::seconds kPingTimeout(5);

}  // namespace

KeepAwake::KeepAwake(grpc::Server* server, std::chrono::milliseconds period)
    : period_(period), thread_([this, server] { Run(server); }) {}

KeepAwake::~KeepAwake() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void KeepAwake::Run(grpc::Server* server) {
  const auto health = grpc::health::v1::Health::NewStub(server->InProcessChannel({}));
  std::unique_lock lock(mu_);
  while (!wake_.wait_for(lock, period_, [this] { return stopping_; })) {
    lock.unlock();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPingTimeout);
    grpc::health::v1::HealthCheckResponse response;
    if (const grpc::Status status = health->Check(&context, {}, &response); !status.ok()) {
      spdlog::warn("the server does not answer itself ({}): are its threads blocked?",
                   status.error_message());
    }
    lock.lock();
  }
}

}  // namespace transept::server
