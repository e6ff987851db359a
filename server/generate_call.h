// Generate: one request, one response.
#pragma once

#include <string>
#include <vector>

#include <grpcpp/support/server_callback.h>

#include "server/generation.h"

namespace transept::server {

class GenerateCall final : public grpc::ServerUnaryReactor, public Generation {
 public:
  // `response` is valid until the call is finished.
  GenerateCall(const CallServices& services, grpc::CallbackServerContext* context,
               const grpc::ByteBuffer* request, grpc::ByteBuffer* response)
      : Generation(services, context, request), response_(response) {}

 private:
  // Generation.
  void Prepare(const DecodeParams& params) override { stop_sequences_ = params.stop_sequences; }
  void Reject(const absl::Status& status) override { Finish(ToStatus(status)); }

  // ResultSink. The result has all tokens, so those of OnTokens don't matter.
  void OnTokens(int, absl::Span<const GeneratedToken>) override {}
  void OnFinish(absl::StatusOr<Result> result) override;

  // grpc::ServerUnaryReactor.
  void OnCancel() override { Cancel(); }
  void OnDone() override { Release(); }

  // On a worker: detokenizes and answers.
  void Complete(const absl::StatusOr<Result>& result);

  grpc::ByteBuffer* const response_;
  std::vector<std::string> stop_sequences_;
};

}  // namespace transept::server
