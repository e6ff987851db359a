// A small service for the commands to call.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <string>

#include "transept/v1/transept.grpc.pb.h"

namespace transept::client {

// A failure with one google.rpc detail.
grpc::Status WithDetail(grpc::StatusCode code, const std::string& message,
                        const google::protobuf::Message& detail);

// Answers "x" with "[x]", and fails as its members say.
class FakeTransept : public v1::Transept::Service {
 public:
  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                        v1::GenerateResponse* response) override;
  grpc::Status GenerateStream(grpc::ServerContext*, const v1::GenerateRequest* request,
                              grpc::ServerWriter<v1::GenerateChunk>* writer) override;

  // A target's score is its length; each byte of a source is a state.
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override;
  grpc::Status Encode(grpc::ServerContext*, const v1::EncodeRequest* request,
                      v1::EncodeResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override;
  grpc::Status Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override;
  grpc::Status Detokenize(grpc::ServerContext*, const v1::DetokenizeRequest* request,
                          v1::DetokenizeResponse* response) override;

  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  bool fail_late = false;
  // The last ones, of commands that make one call at a time.
  v1::ScoreRequest score_request;
  v1::EncodeRequest encode_request;
  std::string tokenize_language;
  grpc::Status failure{grpc::StatusCode::UNAVAILABLE, "loading"};

 private:
  static grpc::Status BadRequest();
  static v1::GenerateResponse Answer(const v1::GenerateRequest& request);
};

}  // namespace transept::client
