// Tokenize, Detokenize, the models, health, reflection, and the end of a server.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>

#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "spdlog/sinks/ringbuffer_sink.h"
#include "spdlog/spdlog.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using grpc::health::v1::HealthCheckResponse;
using testing::ElementsAre;
using testing::HasSubstr;

class ServiceTest : public ServerTest {
 protected:
  HealthCheckResponse::ServingStatus Health(const std::string& name) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    HealthCheckResponse response;
    request.set_service(name);
    const grpc::Status status =
        grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
    return status.ok() ? response.status() : HealthCheckResponse::SERVICE_UNKNOWN;
  }
  grpc::Status Tokenize(const v1::TokenizeRequest& request, v1::TokenizeResponse* response) {
    grpc::ClientContext context;
    return stub_->Tokenize(&context, request, response);
  }
  grpc::Status Detokenize(const v1::DetokenizeRequest& request, v1::DetokenizeResponse* response) {
    grpc::ClientContext context;
    return stub_->Detokenize(&context, request, response);
  }
};

TEST_F(ServiceTest, Tokenizes) {
  Start();
  v1::TokenizeRequest request;
  v1::TokenizeResponse response;
  request.set_text("ab");
  ASSERT_TRUE(Tokenize(request, &response).ok());
  EXPECT_THAT(response.tokens().ids(), ElementsAre('a' + kFirstByte, 'b' + kFirstByte, kEos));
  EXPECT_THAT(response.pieces(), ElementsAre("a", "b", "</s>"));

  request.set_text("");
  ASSERT_TRUE(Tokenize(request, &response).ok());
  EXPECT_THAT(response.tokens().ids(), ElementsAre(kEos));

  request.set_source_language("eng_Latn");
  EXPECT_EQ(FieldOf(Tokenize(request, &response)), "source_language");
  request.clear_source_language();
  request.set_text(std::string(64 * 64 + 1, 'a'));
  EXPECT_EQ(FieldOf(Tokenize(request, &response)), "text");
  request.set_model("other");
  EXPECT_EQ(Tokenize(request, &response).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ServiceTest, Detokenizes) {
  Start();
  v1::DetokenizeRequest request;
  v1::DetokenizeResponse response;
  request.mutable_tokens()->add_ids('a' + kFirstByte);
  request.mutable_tokens()->add_ids(kEos);
  ASSERT_TRUE(Detokenize(request, &response).ok());
  EXPECT_EQ(response.text(), "a");
  request.mutable_tokens()->add_ids(kVocabSize);
  EXPECT_EQ(FieldOf(Detokenize(request, &response)), "tokens.ids[2]");
  request.mutable_tokens()->mutable_ids()->Resize(65, kEos);
  EXPECT_EQ(FieldOf(Detokenize(request, &response)), "tokens");
}

TEST_F(ServiceTest, TextNeedsATokenizer) {
  Start(nullptr);
  v1::TokenizeResponse tokens;
  v1::DetokenizeResponse text;
  EXPECT_EQ(Tokenize({}, &tokens).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Detokenize({}, &text).error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(ServiceTest, DescribesItsModels) {
  Start();
  v1::ListModelsResponse list;
  grpc::ClientContext list_context;
  ASSERT_TRUE(stub_->ListModels(&list_context, {}, &list).ok());
  ASSERT_EQ(list.models_size(), 1);
  const v1::Model& model = list.models(0);
  EXPECT_EQ(model.name(), "echo");
  EXPECT_EQ(model.family(), "t5");
  EXPECT_EQ(model.device(), "cpu");
  EXPECT_EQ(model.dtype(), "bfloat16");
  EXPECT_EQ(model.kv_cache_dtype(), "float32");
  EXPECT_EQ(model.vocab_size(), kVocabSize);
  EXPECT_EQ(model.max_source_tokens(), 60);
  EXPECT_EQ(model.max_new_tokens(), 48);
  EXPECT_TRUE(model.has_tokenizer());
  EXPECT_EQ(model.encoder_layers(), 2);
  EXPECT_EQ(model.decoder_layers(), 3);
  EXPECT_THAT(model.eos_token_ids().ids(), ElementsAre(kEos));
  const v1::GenerationOptions& options = model.default_options();
  EXPECT_EQ(options.max_new_tokens(), 40);  // the server's, over the checkpoint's
  EXPECT_EQ(options.num_beams(), 1);
  EXPECT_FALSE(options.has_length_penalty());  // which only beam search has
  EXPECT_FALSE(options.do_sample());
  EXPECT_EQ(options.num_return_sequences(), 1);
  EXPECT_EQ(options.top_k(), 7);  // for those who ask for sampling
  EXPECT_EQ(options.top_p(), 1.0f);
  EXPECT_THAT(options.eos_token_ids().ids(), ElementsAre(kEos));
  EXPECT_FALSE(options.has_seed());
  EXPECT_FALSE(options.has_stop_sequences());

  for (const std::string name : {"", "echo"}) {
    v1::GetModelRequest request;
    v1::GetModelResponse response;
    grpc::ClientContext context;
    request.set_model(name);
    ASSERT_TRUE(stub_->GetModel(&context, request, &response).ok());
    EXPECT_EQ(response.model().name(), "echo");
  }
  v1::GetModelRequest request;
  v1::GetModelResponse response;
  grpc::ClientContext context;
  request.set_model("other");
  const grpc::Status status = stub_->GetModel(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
}

TEST_F(ServiceTest, ReadinessFlipsAndLivenessDoesNot) {
  Start();
  for (const std::string name : {"", "ready", "live", "transept.v1.Transept"}) {
    EXPECT_EQ(Health(name), HealthCheckResponse::SERVING) << name;
  }
  EXPECT_EQ(Health("other"), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->SetReady(false);
  for (const std::string name : {"", "ready", "transept.v1.Transept"}) {
    EXPECT_EQ(Health(name), HealthCheckResponse::NOT_SERVING) << name;
  }
  EXPECT_EQ(Health("live"), HealthCheckResponse::SERVING);
}

TEST_F(ServiceTest, ALostEngineIsNeitherReadyNorLive) {
  Start();
  server_->CheckEngines();
  for (const std::string name : {"", "ready", "live", "transept.v1.Transept"}) {
    EXPECT_EQ(Health(name), HealthCheckResponse::SERVING) << name;
  }
  engine_->SetHealth(absl::UnavailableError("the device is lost"));
  server_->CheckEngines();
  server_->CheckEngines();
  server_->SetReady(true);
  for (const std::string name : {"", "ready", "live", "transept.v1.Transept"}) {
    EXPECT_EQ(Health(name), HealthCheckResponse::NOT_SERVING) << name;
  }
  server_->Shutdown(std::chrono::milliseconds(0));
}

TEST_F(ServiceTest, WhileDrainingTheRunningEndAndNewOnesAreTurnedAway) {
  Start();
  v1::GenerateResponse response;
  std::thread running([&] { EXPECT_TRUE(Generate(TextRequest("a"), &response).ok()); });
  const RequestId id = engine_->Next();
  std::thread drain([&] { engine_->Drain(Clock::now() + std::chrono::minutes(1)); });
  grpc::Status refused;
  do {  // until the drain has begun
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::GenerateResponse ignored;
    refused = stub_->Generate(&context, TextRequest("b"), &ignored);
  } while (refused.error_code() != StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(refused), "UNAVAILABLE");
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(FindDetail(refused, &retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(Health("live"), HealthCheckResponse::SERVING);
  engine_->Finish(id, MakeResult({FakeTokenizer::Ids("done")}));
  running.join();
  drain.join();
  EXPECT_EQ(response.hypotheses(0).text(), "done");
}

TEST_F(ServiceTest, ShutdownEndsWhatIsStillRunning) {
  Start();
  grpc::Status unary_status;
  std::thread unary([&] {
    v1::GenerateResponse response;
    unary_status = Generate(TextRequest("a"), &response);
  });
  engine_->Next();
  grpc::ClientContext context;
  const auto reader = stub_->GenerateStream(&context, TextRequest("b"));
  engine_->Next();
  server_->Shutdown(std::chrono::milliseconds(20));
  unary.join();
  EXPECT_FALSE(unary_status.ok());
  std::vector<v1::GenerateChunk> chunks;
  EXPECT_FALSE(ReadAll(reader.get(), &chunks).ok());
  engine_->WaitForIdle();
}

TEST_F(ServiceTest, EveryCallIsALineOfTheLog) {
  const auto before = spdlog::default_logger();
  const auto lines = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(16);
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", lines));
  spdlog::set_level(spdlog::level::debug);
  Start();
  engine_->AnswerByItself();
  v1::GenerateRequest request = TextRequest("four");
  request.set_request_id("mine");
  v1::GenerateResponse response;
  EXPECT_TRUE(Generate(request, &response).ok());
  std::vector<v1::GenerateChunk> chunks;
  {
    grpc::ClientContext context;
    EXPECT_TRUE(ReadAll(stub_->GenerateStream(&context, request).get(), &chunks).ok());
  }
  request.set_model("none");
  EXPECT_FALSE(Generate(request, &response).ok());
  grpc::ClientContext tokenize;
  v1::TokenizeResponse tokens;
  EXPECT_TRUE(stub_->Tokenize(&tokenize, v1::TokenizeRequest(), &tokens).ok());
  grpc::ClientContext list;
  v1::ListModelsResponse models;
  EXPECT_TRUE(stub_->ListModels(&list, v1::ListModelsRequest(), &models).ok());

  EXPECT_THAT(
      lines->last_formatted(),
      ElementsAre(
          HasSubstr("method=Generate request_id=mine model=echo code=OK source_tokens=3 "
                    "generated_tokens=4 queue_ms="),
          HasSubstr("method=GenerateStream request_id=mine model=echo code=OK source_tokens=3"),
          HasSubstr("method=Generate request_id=mine code=NOT_FOUND"),
          HasSubstr("method=Tokenize model=echo code=OK"), HasSubstr("method=ListModels code=OK")));
  server_.reset();
  spdlog::set_default_logger(before);
}

TEST_F(ServiceTest, APortInUseIsAnError) {
  Start();
  config_.listen = server_->address();
  const auto second = GrpcServer::Start(config_, &models_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(config_.listen));
}

TEST_F(ServiceTest, ARequestTooLargeIsRefusedByItsSize) {
  config_.max_message_mib = 1;
  Start();
  const grpc::Status status = Failure(TextRequest(std::string(2 << 20, 'a')));
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace transept::server
