#include "server/worker_call.h"

#include <chrono>
#include <utility>

#include <grpcpp/server_context.h>

#include "engine/types/errors.h"
#include "server/request_ids.h"
#include "server/status_mapping.h"
#include "server/worker_pool.h"

namespace transept::server {
namespace {

constexpr std::chrono::milliseconds kRetryAfterFullPool(100);

class WorkerCall final : public grpc::ServerUnaryReactor {
 public:
  WorkerCall(const CallServices& services, grpc::CallbackServerContext* context,
             absl::AnyInvocable<absl::Status()> work)
      : services_(services), context_(context), work_(std::move(work)) {}

  void Begin() {
    if (services_.pool->TryAdd([this] { Run(); })) return;
    End(WithRetryAfter(absl::ResourceExhaustedError("too many requests wait to be tokenized"),
                       kRetryAfterFullPool));
  }

 private:
  void OnDone() override { delete this; }

  void Run() { End(context_->IsCancelled() ? absl::CancelledError("cancelled") : work_()); }

  void End(const absl::Status& status) {
    if (status.ok()) return Finish(grpc::Status::OK);
    Finish(ToGrpcStatus(status, services_.request_ids->Next(), context_));
  }

  const CallServices& services_;
  grpc::CallbackServerContext* const context_;
  absl::AnyInvocable<absl::Status()> work_;
};

}  // namespace

grpc::ServerUnaryReactor* StartWorkerCall(const CallServices& services,
                                          grpc::CallbackServerContext* context,
                                          absl::AnyInvocable<absl::Status()> work) {
  auto* call = new WorkerCall(services, context, std::move(work));
  call->Begin();
  return call;
}

}  // namespace transept::server
