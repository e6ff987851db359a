// A server on the loopback interface, over a fake engine.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "config/config.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/grpc_server.h"
#include "server/model_registry.h"
#include "tests/server/fake_engine.h"
#include "tests/server/fake_tokenizer.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {

class ServerTest : public testing::Test {
 protected:
  ServerTest();

  // Starts the server with config_, engine_config_ and `tokenizer`, which may be null.
  void Start(std::shared_ptr<const Tokenizer> tokenizer = std::make_shared<FakeTokenizer>());

  // A request with this source.
  static v1::GenerateRequest TextRequest(const std::string& text);
  static v1::GenerateRequest TokensRequest(const std::vector<TokenId>& tokens);

  // Runs Generate to its end.
  grpc::Status Generate(const v1::GenerateRequest& request, v1::GenerateResponse* response);
  // Runs Generate on a thread of its own, with context_, until Join, which returns its status.
  void CallInBackground(v1::GenerateRequest request);
  grpc::Status Join();
  // The status of a request that must fail before the engine sees it.
  grpc::Status Failure(const v1::GenerateRequest& request);
  // Reads a stream to its end.
  grpc::Status ReadAll(grpc::ClientReader<v1::GenerateChunk>* reader,
                       std::vector<v1::GenerateChunk>* chunks);

  config::ServerConfig config_;
  config::EngineConfig engine_config_;
  ModelRegistry models_;
  FakeEngine* engine_ = nullptr;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Transept::Stub> stub_;

  // Of the call in the background.
  grpc::ClientContext context_;
  v1::GenerateResponse response_;

 private:
  grpc::Status status_;
  std::thread thread_;
};

// The details of a status.
google::rpc::Status DetailsOf(const grpc::Status& status);
template <typename Detail>
bool FindDetail(const grpc::Status& status, Detail* detail) {
  const google::rpc::Status details = DetailsOf(status);
  for (const auto& any : details.details()) {
    if (any.UnpackTo(detail)) return true;
  }
  return false;
}
// BadRequest's only field; "" without it.
std::string FieldOf(const grpc::Status& status);
// ErrorInfo's reason; "" without it.
std::string ReasonOf(const grpc::Status& status);

}  // namespace transept::server
