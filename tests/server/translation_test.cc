// Text to text in languages, from gRPC to the engine, against transformers
// (tools/make_translation_goldens.py writes the models and what they make of texts).
#include <memory>
#include <string>

#include <grpcpp/create_channel.h>

#include "engine/json/json.h"
#include "gtest/gtest.h"
#include "server/grpc_server.h"
#include "server/model_loader.h"
#include "server/model_registry.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

const std::string kFolder = "tests/data/translation/models/";

class TranslationTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    config::ModelConfig config;
    config.path = kFolder + GetParam();
    config.engine.kv_cache_mib = 8;
    config.engine.dtype = "float32";
    auto model = LoadModel(config);
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_NE(model->tokenizer, nullptr);
    ASSERT_TRUE(models_.Add(*std::move(model)).ok());
    config::ServerConfig server_config;
    server_config.listen = "127.0.0.1:0";
    auto server = GrpcServer::Start(server_config, &models_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::Transept::NewStub(
        grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  }

  ModelRegistry models_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Transept::Stub> stub_;
};

TEST_P(TranslationTest, TextIsThatOfTransformers) {
  const auto cases = JsonDocument::ReadFile(kFolder + GetParam() + "/cases.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  ASSERT_GE(cases->root().size(), 10u);
  for (size_t i = 0; i < cases->root().size(); ++i) {
    const JsonView expected = cases->root()[i];
    v1::GenerateRequest request;
    request.mutable_source()->set_text(*expected["text"].AsString());
    request.set_source_language(*expected["source"].AsString());
    request.set_target_language(*expected["target"].AsString());
    request.mutable_options()->set_max_new_tokens(20);
    request.mutable_options()->set_repetition_penalty(3);
    v1::GenerateResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Generate(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.hypotheses(0).text(), *expected["output"].AsString())
        << request.ShortDebugString();
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TranslationTest, ::testing::Values("marian", "nllb", "mbart"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept::server
