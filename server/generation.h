// What Generate and GenerateStream share: the way of a request into the engine, its cancellation,
// and the response.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/types/clock.h"
#include "engine/types/request.h"
#include "engine/types/result.h"
#include "server/call_services.h"
#include "server/conversion.h"
#include "transept/v1/transept.pb.h"

namespace grpc {
class ByteBuffer;
class CallbackServerContext;
class Status;
}  // namespace grpc

namespace transept::server {

struct Model;

// One request on its way. A subclass is a gRPC reactor too, owned by a shared_ptr. It lives from
// Begin until Release has been called (by OnDone) and the engine and the workers are done with it.
//
//   gRPC thread    Begin: names, model and sizes are checked
//   worker         the request is read and tokenized; Prepare; Submit, or else Reject
//   engine thread  OnTokens ..., OnFinish (of ResultSink)
//
// The subclass must finish its call exactly once: in Reject, or after OnFinish.
class Generation : public ResultSink, public std::enable_shared_from_this<Generation> {
 public:
  // `context` and `request` are valid until the call is finished.
  Generation(const CallServices& services, grpc::CallbackServerContext* context,
             const grpc::ByteBuffer* request);

  // Called once, in the handler of the call.
  void Begin();

 protected:
  // The request is good. Called before the engine has it, so before OnTokens and OnFinish.
  virtual void Prepare(const DecodeParams& params) = 0;

  // The request did not get into the engine. Neither OnTokens nor OnFinish will be called.
  virtual void Reject(const absl::Status& status) = 0;

  // Nobody wants the output any more. OnFinish or Reject still comes, soon. Any thread, any number
  // of times; not under a lock that OnTokens or OnFinish takes.
  void Cancel();

  // The call is over for gRPC. *this may be gone on return.
  void Release() { self_.reset(); }

  // `status` as the client gets it. Before the call is finished.
  grpc::Status ToStatus(const absl::Status& status) const;

  // The whole response. `texts` belong to the hypotheses, one by one.
  void FillResponse(const Result& result, std::vector<std::string> texts,
                    v1::GenerateResponse* response) const;

  const CallServices& services() const { return services_; }
  // Valid until the call is over for gRPC.
  grpc::CallbackServerContext* context() const { return context_; }
  // Valid from Prepare on.
  const Model& model() const { return *model_; }
  OutputParts parts() const { return parts_; }

 private:
  // Sets request_, request_id_, model_ and parts_. What must be known before the request waits: it
  // is cheap, and keeps what is too large from being kept.
  absl::Status Identify();
  // The worker's part.
  void Admit();
  absl::StatusOr<Request> Read();

  const CallServices& services_;
  grpc::CallbackServerContext* const context_;
  const grpc::ByteBuffer* const request_bytes_;
  const TimePoint arrival_;
  std::shared_ptr<Generation> self_;

  // Written before Submit, constant after.
  v1::GenerateRequest request_;  // empty once it has been read
  std::string request_id_;
  const Model* model_ = nullptr;
  OutputParts parts_;
  TimePoint submitted_;

  std::mutex mu_;
  std::optional<RequestId> engine_id_;  // guarded by mu_; set while the engine has the request
  bool cancelled_ = false;              // guarded by mu_
};

}  // namespace transept::server
