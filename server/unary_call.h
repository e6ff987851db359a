// Calls of one request and one response.
#pragma once

#include <memory>
#include <utility>

#include <grpcpp/support/server_callback.h>

#include "server/engine_call.h"
#include "server/wire.h"
#include "server/worker_pool.h"

namespace transept::server {

template <typename Message, typename Response>
class UnaryCall : public grpc::ServerUnaryReactor, public EngineCall<Message> {
 public:
  // `response` is valid until the call is finished.
  UnaryCall(const CallServices& services, grpc::CallbackServerContext* context,
            const grpc::ByteBuffer* request, grpc::ByteBuffer* response)
      : EngineCall<Message>(services, context, request), response_(response) {}

 protected:
  // Fills all but what EngineCall::Complete adds. On a worker.
  virtual void Answer(const Result& result, Response* response) = 0;

 private:
  // EngineCall.
  void Reject(const absl::Status& status) override { Finish(this->Failure(status)); }

  // ResultSink. The result has all tokens, so those of OnTokens don't matter.
  void OnTokens(int, absl::Span<const GeneratedToken>) override {}
  void OnFinish(absl::StatusOr<Result> result) override {
    this->services().pool->Add(
        [self = std::static_pointer_cast<UnaryCall>(this->shared_from_this()),
         result = std::move(result)] { self->End(result); });
  }

  // grpc::ServerUnaryReactor.
  void OnCancel() override { this->Cancel(); }
  void OnDone() override { this->Release(); }

  void End(const absl::StatusOr<Result>& result) {
    if (!result.ok()) return Finish(this->Failure(result.status()));
    Response response;
    Answer(*result, &response);
    this->Complete(*result, &response);
    Serialize(response, response_);
    Finish(grpc::Status::OK);
  }

  grpc::ByteBuffer* const response_;
};

}  // namespace transept::server
