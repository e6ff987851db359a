#include "server/worker_call.h"

#include <chrono>
#include <string>
#include <utility>

#include <grpcpp/server_context.h>

#include "engine/types/clock.h"
#include "engine/types/errors.h"
#include "server/call_log.h"
#include "server/request_ids.h"
#include "server/status_mapping.h"
#include "server/worker_pool.h"

namespace transept::server {
namespace {

constexpr std::chrono::milliseconds kRetryAfterFullPool(100);

class WorkerCall final : public grpc::ServerUnaryReactor {
 public:
  WorkerCall(const CallServices& services, grpc::CallbackServerContext* context,
             std::string_view method, std::string_view model,
             absl::AnyInvocable<absl::Status()> work)
      : services_(services),
        context_(context),
        method_(method),
        model_(model),
        arrival_(Clock::now()),
        work_(std::move(work)) {}

  void Begin() {
    if (services_.pool->TryAdd([this] { Run(); })) return;
    End(WithRetryAfter(absl::ResourceExhaustedError("too many requests wait to be tokenized"),
                       kRetryAfterFullPool));
  }

 private:
  void OnDone() override { delete this; }

  void Run() { End(context_->IsCancelled() ? absl::CancelledError("cancelled") : work_()); }

  void End(const absl::Status& status) {
    const std::string id = status.ok() ? "" : services_.request_ids->Next();
    grpc::Status end = ToGrpcStatus(status, id, context_);
    services_.log->Write({.method = method_,
                          .request_id = id,
                          .model = model_,
                          .total_ms = Milliseconds(Clock::now() - arrival_)},
                         end);
    Finish(std::move(end));
  }

  const CallServices& services_;
  grpc::CallbackServerContext* const context_;
  const std::string_view method_;
  const std::string_view model_;
  const TimePoint arrival_;
  absl::AnyInvocable<absl::Status()> work_;
};

}  // namespace

grpc::ServerUnaryReactor* StartWorkerCall(const CallServices& services,
                                          grpc::CallbackServerContext* context,
                                          std::string_view method, std::string_view model,
                                          absl::AnyInvocable<absl::Status()> work) {
  auto* call = new WorkerCall(services, context, method, model, std::move(work));
  call->Begin();
  return call;
}

}  // namespace transept::server
