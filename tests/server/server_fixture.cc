#include "tests/server/server_fixture.h"

#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/support/error_details.h>

namespace transept::server {

ServerTest::ServerTest() {
  config_.listen = "127.0.0.1:0";
  engine_config_.max_source_tokens = 64;
  engine_config_.max_new_tokens = 50;
  engine_config_.max_rows = 8;
}

void ServerTest::Start(std::shared_ptr<const Tokenizer> tokenizer) {
  auto engine = std::make_unique<FakeEngine>();
  engine_ = engine.get();
  Model model;
  model.name = "echo";
  model.config = engine_config_;
  model.engine = std::move(engine);
  model.tokenizer = std::move(tokenizer);
  model.server_defaults.max_new_tokens = 40;
  model.checkpoint_defaults.max_new_tokens = 30;
  model.checkpoint_defaults.top_k = 7;
  ASSERT_TRUE(models_.Add(std::move(model)).ok());
  auto server = GrpcServer::Start(config_, &models_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  stub_ = v1::Transept::NewStub(channel_);
}

v1::GenerateRequest ServerTest::TextRequest(const std::string& text) {
  v1::GenerateRequest request;
  request.mutable_source()->set_text(text);
  return request;
}

v1::GenerateRequest ServerTest::TokensRequest(const std::vector<TokenId>& tokens) {
  v1::GenerateRequest request;
  request.mutable_source()->mutable_tokens()->mutable_ids()->Assign(tokens.begin(), tokens.end());
  return request;
}

grpc::Status ServerTest::Generate(const v1::GenerateRequest& request,
                                  v1::GenerateResponse* response) {
  grpc::ClientContext context;
  return stub_->Generate(&context, request, response);
}

void ServerTest::CallInBackground(v1::GenerateRequest request) {
  thread_ = std::thread([this, request = std::move(request)] {
    status_ = stub_->Generate(&context_, request, &response_);
  });
}

grpc::Status ServerTest::Join() {
  thread_.join();
  return status_;
}

grpc::Status ServerTest::Failure(const v1::GenerateRequest& request) {
  v1::GenerateResponse response;
  return Generate(request, &response);
}

grpc::Status ServerTest::ReadAll(grpc::ClientReader<v1::GenerateChunk>* reader,
                                 std::vector<v1::GenerateChunk>* chunks) {
  v1::GenerateChunk chunk;
  while (reader->Read(&chunk)) chunks->push_back(chunk);
  return reader->Finish();
}

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(grpc::ExtractErrorDetails(status, &details).ok());
  return details;
}

std::string FieldOf(const grpc::Status& status) {
  google::rpc::BadRequest bad_request;
  if (!FindDetail(status, &bad_request)) return "";
  EXPECT_EQ(bad_request.field_violations_size(), 1);
  return bad_request.field_violations(0).field();
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  if (!FindDetail(status, &info)) return "";
  EXPECT_EQ(info.domain(), "transept");
  EXPECT_FALSE(info.metadata().at("request_id").empty());
  return info.reason();
}

}  // namespace transept::server
