// What the calls share that the engine answers: the way of a request into it, its cancellation, and
// what all responses have.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/types/clock.h"
#include "engine/types/request.h"
#include "engine/types/result.h"
#include "server/call_services.h"
#include "server/conversion.h"
#include "server/model_registry.h"
#include "transept/v1/transept.pb.h"

namespace grpc {
class ByteBuffer;
class CallbackServerContext;
class Status;
}  // namespace grpc

namespace transept::server {

// One request on its way. `Message` is GenerateRequest, ScoreRequest or EncodeRequest. A subclass
// is a gRPC reactor too, owned by a shared_ptr. It lives from Begin until Release has been called
// (by OnDone) and the engine and the workers are done with it.
//
//   gRPC thread    Begin: names, model and sizes are checked
//   worker         the request is read and tokenized; Prepare; Submit, or else Reject
//   engine thread  OnTokens ..., OnFinish (of ResultSink)
//
// The subclass must finish its call exactly once: in Reject, or after OnFinish.
template <typename Message>
class EngineCall : public ResultSink, public std::enable_shared_from_this<EngineCall<Message>> {
 public:
  // `context` and `request` are valid until the call is finished.
  EngineCall(const CallServices& services, grpc::CallbackServerContext* context,
             const grpc::ByteBuffer* request);

  // Called once, in the handler of the call.
  void Begin();

 protected:
  // The request is good: what the client sent, and what the engine will get. Called before the
  // engine has it, so before OnTokens and OnFinish.
  virtual void Prepare(const Message& message, const Request& request) = 0;

  // The request did not get into the engine. Neither OnTokens nor OnFinish will be called.
  virtual void Reject(const absl::Status& status) = 0;

  // Nobody wants the output any more. OnFinish or Reject still comes, soon. Any thread, any number
  // of times; not under a lock that OnTokens or OnFinish takes.
  void Cancel();

  // The call is over for gRPC. *this may be gone on return.
  void Release() { self_.reset(); }

  // The call has failed: `status` as the client gets it, and logged. Before the call is finished.
  grpc::Status Failure(const absl::Status& status) const;

  // The call has succeeded: adds request id, model, usage and timings to the response, and logs it.
  template <typename Response>
  void Complete(const Result& result, Response* response) const {
    response->set_request_id(request_id_);
    response->set_model(model_->name);
    ToProto(result, response->mutable_usage());
    FillTimings(result.timings, response->mutable_timings());
    LogSuccess(response->usage(), response->timings());
  }

  // The method's name in the service.
  virtual std::string_view method() const = 0;

  const CallServices& services() const { return services_; }
  // Valid until the call is over for gRPC.
  grpc::CallbackServerContext* context() const { return context_; }
  // Valid from Prepare on.
  const Model& model() const { return *model_; }

 private:
  // Sets message_, request_id_ and model_. What must be known before the request waits: it is
  // cheap, and keeps what is too large from being kept.
  absl::Status Identify();
  // The worker's part.
  void Admit();
  absl::StatusOr<Request> Read();
  void FillTimings(const RequestTimings& engine, v1::Timings* timings) const;
  void LogSuccess(const v1::Usage& usage, const v1::Timings& timings) const;

  const CallServices& services_;
  grpc::CallbackServerContext* const context_;
  const grpc::ByteBuffer* const request_bytes_;
  const TimePoint arrival_;
  std::shared_ptr<EngineCall> self_;

  // Written before Submit, constant after.
  Message message_;  // empty once it has been read
  std::string request_id_;
  const Model* model_ = nullptr;
  TimePoint submitted_;

  std::mutex mu_;
  std::optional<RequestId> engine_id_;  // guarded by mu_; set while the engine has the request
  bool cancelled_ = false;              // guarded by mu_
};

extern template class EngineCall<v1::GenerateRequest>;
extern template class EngineCall<v1::ScoreRequest>;
extern template class EngineCall<v1::EncodeRequest>;

}  // namespace transept::server
