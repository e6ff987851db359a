// Generate: every error with its details.
#include <chrono>
#include <functional>
#include <future>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/generic/generic_stub.h>

#include "engine/types/errors.h"
#include "gmock/gmock.h"
#include "tests/server/gate.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using GenerateErrorsTest = ServerTest;

// One wrong field in an otherwise good request.
struct BadField {
  std::string field;
  std::function<void(v1::GenerateRequest*)> change;
};

std::vector<BadField> BadFields() {
  using R = v1::GenerateRequest;
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  return {
      {"source", [](R* r) { r->clear_source(); }},
      {"source", [](R* r) { r->mutable_source()->clear_kind(); }},
      {"source.text", [](R* r) { r->mutable_source()->set_text(""); }},
      {"source.text", [](R* r) { r->mutable_source()->set_text(std::string(5000, 'a')); }},
      {"source.tokens", [](R* r) { r->mutable_source()->mutable_tokens(); }},
      {"source.tokens.ids[1]",
       [](R* r) {
         r->mutable_source()->mutable_tokens()->add_ids(20);
         r->mutable_source()->mutable_tokens()->add_ids(kVocabSize);
       }},
      {"source.tokens.ids[0]", [](R* r) { r->mutable_source()->mutable_tokens()->add_ids(-1); }},
      {"source.tokens",
       [](R* r) { r->mutable_source()->mutable_tokens()->mutable_ids()->Resize(65, 20); }},
      {"target_prefix", [](R* r) { r->mutable_target_prefix(); }},
      {"target_prefix.tokens",
       [](R* r) { r->mutable_target_prefix()->mutable_tokens()->mutable_ids()->Resize(65, 20); }},
      {"target_prefix.tokens.ids[0]",
       [](R* r) { r->mutable_target_prefix()->mutable_tokens()->add_ids(1 << 30); }},
      {"source_language", [](R* r) { r->set_source_language("eng_Latn"); }},
      {"target_language", [](R* r) { r->set_target_language("deu_Latn"); }},
      {"priority", [](R* r) { r->set_priority(101); }},
      {"priority", [](R* r) { r->set_priority(-101); }},
      {"request_id", [](R* r) { r->set_request_id(std::string(129, 'a')); }},
      {"request_id", [](R* r) { r->set_request_id("two words"); }},
      {"request_id", [](R* r) { r->set_request_id("é"); }},
      {"output.top_logprobs", [](R* r) { r->mutable_output()->set_top_logprobs(-1); }},
      {"output.top_logprobs", [](R* r) { r->mutable_output()->set_top_logprobs(21); }},
      {"options.max_new_tokens", [](R* r) { r->mutable_options()->set_max_new_tokens(0); }},
      {"options.max_new_tokens", [](R* r) { r->mutable_options()->set_max_new_tokens(51); }},
      {"options.temperature", [](R* r) { r->mutable_options()->set_temperature(0); }},
      {"options.temperature", [=](R* r) { r->mutable_options()->set_temperature(kNaN); }},
      {"options.top_p", [](R* r) { r->mutable_options()->set_top_p(1.5f); }},
      {"options.num_beams", [](R* r) { r->mutable_options()->set_num_beams(0); }},
      {"options.num_beams", [](R* r) { r->mutable_options()->set_num_beams(17); }},
      {"options.length_penalty", [=](R* r) { r->mutable_options()->set_length_penalty(kNaN); }},
      {"options.early_stopping",
       [](R* r) { r->mutable_options()->set_early_stopping(static_cast<v1::EarlyStopping>(9)); }},
      {"options.typical_p", [](R* r) { r->mutable_options()->set_typical_p(0); }},
      {"options.encoder_no_repeat_ngram_size",
       [](R* r) { r->mutable_options()->set_encoder_no_repeat_ngram_size(-1); }},
      {"options.bad_words_ids",
       [](R* r) { r->mutable_options()->mutable_bad_words_ids()->add_values()->add_ids(-1); }},
      {"options.sequence_bias",
       [](R* r) { r->mutable_options()->mutable_sequence_bias()->add_values(); }},
      {"options.exponential_decay_length_penalty.decay_factor",
       [](R* r) { r->mutable_options()->mutable_exponential_decay_length_penalty(); }},
      {"options.bad_words",
       [](R* r) {
         for (int i = 0; i < 100; ++i) {
           r->mutable_options()->mutable_bad_words()->add_values(std::string(2000, ' '));
         }
       }},
      {"options.bad_words[1]",
       [](R* r) {
         r->mutable_options()->mutable_bad_words()->add_values("a");
         r->mutable_options()->mutable_bad_words()->add_values("");
       }},
      {"options.bad_words",
       [](R* r) { r->mutable_options()->mutable_bad_words()->add_values(std::string(2100, 'a')); }},
  };
}

TEST_F(GenerateErrorsTest, NamesTheFieldAtFault) {
  Start();
  engine_->AnswerByItself();
  for (const BadField& bad : BadFields()) {
    SCOPED_TRACE(bad.field);
    v1::GenerateRequest request = TextRequest("good");
    bad.change(&request);
    const grpc::Status status = Failure(request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), bad.field);
    EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
    EXPECT_THAT(status.error_message(), HasSubstr(bad.field));
  }
  EXPECT_EQ(engine_->Stats().requests_running, 0);
}

TEST_F(GenerateErrorsTest, UnknownModel) {
  Start();
  v1::GenerateRequest request = TextRequest("a");
  request.set_model(std::string(100'000, 'x'));  // must not blow the trailers up
  const grpc::Status status = Failure(request);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("the server has echo, none named \"xxx"));
  EXPECT_LT(status.error_message().size(), 1100u);
}

TEST_F(GenerateErrorsTest, AFullEngineSaysWhenToRetry) {
  Start();
  engine_->Refuse(WithRetryAfter(absl::ResourceExhaustedError("1024 requests wait"),
                                 std::chrono::milliseconds(1250)));
  grpc::ClientContext context;
  v1::GenerateResponse response;
  const grpc::Status status = stub_->Generate(&context, TextRequest("a"), &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "1024 requests wait");
  EXPECT_EQ(ReasonOf(status), "OVERLOADED");
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(FindDetail(status, &retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 250'000'000);
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto pushback = trailers.find("grpc-retry-pushback-ms");
  ASSERT_NE(pushback, trailers.end());
  EXPECT_EQ(pushback->second, "1250");
}

TEST_F(GenerateErrorsTest, EngineErrorsKeepTheirCode) {
  Start();
  const std::pair<absl::Status, StatusCode> cases[] = {
      {absl::ResourceExhaustedError("needs 9 blocks of 4"), StatusCode::RESOURCE_EXHAUSTED},
      {absl::UnavailableError("draining"), StatusCode::UNAVAILABLE},
      {absl::DeadlineExceededError("too late"), StatusCode::DEADLINE_EXCEEDED},
      {FieldError("source", "has 70 tokens; at most 64"), StatusCode::INVALID_ARGUMENT},
  };
  for (const auto& [refusal, code] : cases) {
    engine_->Refuse(refusal);
    const grpc::Status status = Failure(TextRequest("a"));
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), std::string(refusal.message()));
  }
}

TEST_F(GenerateErrorsTest, InternalErrorsAreNotShown) {
  Start();
  v1::GenerateRequest request = TextRequest("a");
  request.set_request_id("find-me");
  CallInBackground(request);
  engine_->Finish(engine_->Next(), absl::InternalError("secret detail"));
  const grpc::Status status = Join();
  EXPECT_EQ(status.error_code(), StatusCode::INTERNAL);
  EXPECT_EQ(ReasonOf(status), "INTERNAL");
  EXPECT_THAT(status.error_message(), HasSubstr("find-me"));
  EXPECT_THAT(status.error_message(), testing::Not(HasSubstr("secret")));
}

TEST_F(GenerateErrorsTest, AFullTokenizerQueueRefuses) {
  Gate gate;
  config_.tokenizer_threads = 1;
  config_.max_pending_tokenizations = 1;
  Start(std::make_shared<FakeTokenizer>([&](std::string_view) { gate.Wait(); }));
  engine_->AnswerByItself();
  CallInBackground(TextRequest("a"));
  gate.AwaitWaiters(1);
  // Of two more, one waits and the other is refused.
  std::promise<grpc::Status> refused;
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      v1::GenerateResponse response;
      const grpc::Status status = Generate(TextRequest("b"), &response);
      if (!status.ok()) refused.set_value(status);
    });
  }
  const grpc::Status status = refused.get_future().get();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "OVERLOADED");
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(FindDetail(status, &retry));
  gate.Open();
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(Join().ok());
}

TEST_F(GenerateErrorsTest, TextThatIsNotUtf8) {
  Start();
  const grpc::Status status = Failure(TextRequest("\xff\xfe"));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "source.text");
  EXPECT_EQ(status.error_message(), "source.text: is not UTF-8");
  v1::GenerateRequest request = TextRequest("a");
  request.mutable_options()->mutable_stop_sequences()->add_values("é");
  request.mutable_options()->mutable_stop_sequences()->add_values("\xc3");
  EXPECT_EQ(FieldOf(Failure(request)), "options.stop_sequences.values[1]");
}

TEST_F(GenerateErrorsTest, BytesThatAreNotTheMessage) {
  Start();
  for (const char* method : {"Generate", "Tokenize", "Detokenize", "ListModels", "GetModel"}) {
    SCOPED_TRACE(method);
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel_);
    const grpc::Slice slice("\x0a\xff not a message");
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, std::string("/transept.v1.Transept/") + method, {}, &request,
                   &response, [&](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
  }
}

}  // namespace
}  // namespace transept::server
