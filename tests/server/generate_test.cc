// Generate: answers, every error with its details, cancellation and deadlines.
#include <chrono>
#include <functional>
#include <future>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/types/errors.h"
#include "gmock/gmock.h"
#include "tests/server/gate.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;

class GenerateTest : public ServerTest {
 protected:
  // Generate on a thread of its own, until Join.
  void CallInBackground(v1::GenerateRequest request) {
    thread_ = std::thread([this, request = std::move(request)] {
      status_ = stub_->Generate(&context_, request, &response_);
    });
  }
  grpc::Status Join() {
    thread_.join();
    return status_;
  }

  grpc::ClientContext context_;
  grpc::Status status_;
  v1::GenerateResponse response_;
  std::thread thread_;
};

TEST_F(GenerateTest, AnswersText) {
  Start();
  engine_->AnswerByItself();
  v1::GenerateRequest request = TextRequest("hello");
  request.set_request_id("my-id:1");
  v1::GenerateResponse response;
  const grpc::Status status = Generate(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.request_id(), "my-id:1");
  EXPECT_EQ(response.model(), "echo");
  ASSERT_EQ(response.hypotheses_size(), 1);
  const v1::Hypothesis& hypothesis = response.hypotheses(0);
  EXPECT_EQ(hypothesis.text(), "hello");
  EXPECT_FALSE(hypothesis.has_tokens());
  EXPECT_THAT(hypothesis.token_logprobs(), IsEmpty());
  EXPECT_THAT(hypothesis.top_logprobs(), IsEmpty());
  EXPECT_FLOAT_EQ(hypothesis.score(), -2.5f);
  EXPECT_EQ(hypothesis.finish_reason(), v1::FINISH_REASON_EOS);
  EXPECT_EQ(response.usage().source_tokens(), 3);
  EXPECT_EQ(response.usage().generated_tokens(), 5);
  EXPECT_TRUE(response.usage().encoder_reused());
  EXPECT_GE(response.timings().queue_ms(), 1.0);
  EXPECT_EQ(response.timings().encode_ms(), 2.0);
  EXPECT_EQ(response.timings().decode_ms(), 3.0);
  EXPECT_GT(response.timings().total_ms(), 0.0);
}

TEST_F(GenerateTest, MakesUpDifferentRequestIds) {
  Start();
  engine_->AnswerByItself();
  v1::GenerateResponse first, second;
  ASSERT_TRUE(Generate(TextRequest("a"), &first).ok());
  ASSERT_TRUE(Generate(TextRequest("a"), &second).ok());
  EXPECT_FALSE(first.request_id().empty());
  EXPECT_NE(first.request_id(), second.request_id());
}

TEST_F(GenerateTest, SendsWhatWasAskedFor) {
  Start();
  engine_->AnswerByItself();
  v1::GenerateRequest request = TextRequest("hi");
  request.mutable_output()->set_tokens(true);
  request.mutable_output()->set_token_logprobs(true);
  request.mutable_output()->set_top_logprobs(2);
  v1::GenerateResponse response;
  ASSERT_TRUE(Generate(request, &response).ok());
  const v1::Hypothesis& hypothesis = response.hypotheses(0);
  EXPECT_THAT(hypothesis.tokens().ids(), ElementsAre('h' + kFirstByte, 'i' + kFirstByte));
  EXPECT_THAT(hypothesis.token_logprobs(), ElementsAre(-0.5f, -0.5f));
  ASSERT_EQ(hypothesis.top_logprobs_size(), 2);
  ASSERT_EQ(hypothesis.top_logprobs(0).alternatives_size(), 2);
  EXPECT_EQ(hypothesis.top_logprobs(0).alternatives(1).token(), 'h' + kFirstByte + 1);
  EXPECT_EQ(hypothesis.top_logprobs(0).alternatives(1).logprob(), -1.5f);
}

TEST_F(GenerateTest, HandsTheRequestOver) {
  Start();
  v1::GenerateRequest request = TokensRequest({20, 21});
  request.set_model("echo");
  request.mutable_target_prefix()->set_text("ab");
  request.set_priority(-7);
  request.mutable_output()->set_top_logprobs(3);
  v1::GenerationOptions* options = request.mutable_options();
  options->set_do_sample(true);
  options->set_num_return_sequences(2);
  options->set_temperature(0.5f);
  options->set_seed(99);
  options->mutable_stop_sequences()->add_values("stop");
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
  CallInBackground(request);
  const RequestId id = engine_->Next();
  const Request got = engine_->RequestOf(id);
  EXPECT_THAT(got.source, ElementsAre(20, 21));                                // exactly as given
  EXPECT_THAT(got.target_prefix, ElementsAreArray(FakeTokenizer::Ids("ab")));  // without EOS
  EXPECT_EQ(got.priority, -7);
  EXPECT_EQ(got.params.top_logprobs, 3);
  EXPECT_TRUE(got.params.do_sample);
  EXPECT_EQ(got.params.num_sequences, 2);
  EXPECT_EQ(got.params.temperature, 0.5f);
  EXPECT_EQ(got.params.seed, 99u);
  EXPECT_THAT(got.params.stop_sequences, ElementsAre("stop"));
  EXPECT_EQ(got.params.max_new_tokens, 40);  // the server's default beats the checkpoint's
  EXPECT_EQ(got.params.top_k, 7);            // the checkpoint's
  ASSERT_TRUE(got.deadline.has_value());
  EXPECT_LT(*got.deadline, Clock::now() + std::chrono::minutes(61));  // gRPC rounds up
  EXPECT_GT(*got.deadline, Clock::now() + std::chrono::minutes(59));
  engine_->Finish(id, MakeResult({FakeTokenizer::Ids("x"), FakeTokenizer::Ids("yz")}));
  ASSERT_TRUE(Join().ok());
  ASSERT_EQ(response_.hypotheses_size(), 2);
  EXPECT_EQ(response_.hypotheses(0).text(), "x");
  EXPECT_EQ(response_.hypotheses(1).text(), "yz");
  EXPECT_EQ(response_.usage().generated_tokens(), 3);
}

TEST_F(GenerateTest, CutsTheTextAtAStopSequence) {
  Start();
  v1::GenerateRequest request = TextRequest("q");
  request.mutable_output()->set_tokens(true);
  request.mutable_options()->mutable_stop_sequences()->add_values("cd");
  CallInBackground(request);
  const RequestId id = engine_->Next();
  engine_->Finish(id, MakeResult({FakeTokenizer::Ids("abcd")}, FinishReason::kStopSequence));
  ASSERT_TRUE(Join().ok());
  EXPECT_EQ(response_.hypotheses(0).text(), "ab");
  EXPECT_EQ(response_.hypotheses(0).tokens().ids_size(), 4);
  EXPECT_EQ(response_.hypotheses(0).finish_reason(), v1::FINISH_REASON_STOP_SEQUENCE);
}

TEST_F(GenerateTest, AModelWithoutTokenizerTakesAndGivesTokens) {
  Start(nullptr);
  engine_->AnswerByItself();
  v1::GenerateResponse response;
  ASSERT_TRUE(Generate(TokensRequest({20, 21}), &response).ok());
  EXPECT_EQ(response.hypotheses(0).text(), "");
  EXPECT_THAT(response.hypotheses(0).tokens().ids(), ElementsAre(20, 21));

  const grpc::Status status = Failure(TextRequest("text"));
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "UNSUPPORTED_BY_MODEL");
}

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
      {"options.num_beams", [](R* r) { r->mutable_options()->set_num_beams(4); }},
      // Known to the contract, not to this version: never ignored, whatever the value.
      {"options.length_penalty", [](R* r) { r->mutable_options()->set_length_penalty(1); }},
      {"options.early_stopping",
       [](R* r) { r->mutable_options()->set_early_stopping(v1::EARLY_STOPPING_FALSE); }},
      {"options.early_stopping",
       [](R* r) { r->mutable_options()->set_early_stopping(static_cast<v1::EarlyStopping>(9)); }},
      {"options.typical_p", [](R* r) { r->mutable_options()->set_typical_p(1); }},
      {"options.epsilon_cutoff", [](R* r) { r->mutable_options()->set_epsilon_cutoff(0); }},
      {"options.eta_cutoff", [](R* r) { r->mutable_options()->set_eta_cutoff(0); }},
      {"options.encoder_repetition_penalty",
       [](R* r) { r->mutable_options()->set_encoder_repetition_penalty(1); }},
      {"options.encoder_no_repeat_ngram_size",
       [](R* r) { r->mutable_options()->set_encoder_no_repeat_ngram_size(0); }},
      {"options.bad_words_ids", [](R* r) { r->mutable_options()->mutable_bad_words_ids(); }},
      {"options.sequence_bias", [](R* r) { r->mutable_options()->mutable_sequence_bias(); }},
      {"options.exponential_decay_length_penalty",
       [](R* r) { r->mutable_options()->mutable_exponential_decay_length_penalty(); }},
      {"options.renormalize_logits",
       [](R* r) { r->mutable_options()->set_renormalize_logits(false); }},
      {"options.bad_words", [](R* r) { r->mutable_options()->mutable_bad_words(); }},
  };
}

TEST_F(GenerateTest, NamesTheFieldAtFault) {
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

TEST_F(GenerateTest, UnknownModel) {
  Start();
  v1::GenerateRequest request = TextRequest("a");
  request.set_model(std::string(100'000, 'x'));  // must not blow the trailers up
  const grpc::Status status = Failure(request);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_LT(status.error_message().size(), 1100u);
}

TEST_F(GenerateTest, AFullEngineSaysWhenToRetry) {
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

TEST_F(GenerateTest, EngineErrorsKeepTheirCode) {
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

TEST_F(GenerateTest, InternalErrorsAreNotShown) {
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

TEST_F(GenerateTest, CancellingFreesTheRequest) {
  Start();
  CallInBackground(TextRequest("a"));
  const RequestId id = engine_->Next();
  context_.TryCancel();
  EXPECT_EQ(Join().error_code(), StatusCode::CANCELLED);
  engine_->WaitForCancel(id);
  engine_->WaitForIdle();
}

TEST_F(GenerateTest, ADeadlineFreesTheRequest) {
  Start();
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  CallInBackground(TextRequest("a"));
  const RequestId id = engine_->Next();
  EXPECT_EQ(Join().error_code(), StatusCode::DEADLINE_EXCEEDED);
  engine_->WaitForCancel(id);
  engine_->WaitForIdle();
}

TEST_F(GenerateTest, ARequestCancelledBeforeItBeganNeverReachesTheEngine) {
  Gate gate;
  config_.tokenizer_threads = 1;
  Start(std::make_shared<FakeTokenizer>([&](std::string_view text) {
    if (text == "wait") gate.Wait();
  }));
  engine_->AnswerByItself();
  std::thread blocker([&] {
    v1::GenerateResponse response;
    EXPECT_TRUE(Generate(TextRequest("wait"), &response).ok());
  });
  gate.AwaitWaiters(1);
  CallInBackground(TextRequest("cancelled"));
  context_.TryCancel();
  EXPECT_EQ(Join().error_code(), StatusCode::CANCELLED);
  // Calls on the same connection, which need no worker: the cancellation has arrived before them.
  for (int i = 0; i < 5; ++i) {
    grpc::ClientContext context;
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub_->ListModels(&context, {}, &response).ok());
  }
  gate.Open();
  blocker.join();
  v1::GenerateResponse response;
  EXPECT_TRUE(Generate(TextRequest("after"), &response).ok());
  EXPECT_EQ(FakeTokenizer().Decode(engine_->RequestOf(engine_->Next()).source), "wait");
  EXPECT_EQ(FakeTokenizer().Decode(engine_->RequestOf(engine_->Next()).source), "after");
}

TEST_F(GenerateTest, OneLongTextDoesNotBlockOthers) {
  Gate gate;
  config_.tokenizer_threads = 2;
  Start(std::make_shared<FakeTokenizer>([&](std::string_view text) {
    if (text == "long") gate.Wait();
  }));
  engine_->AnswerByItself();
  CallInBackground(TextRequest("long"));
  gate.AwaitWaiters(1);
  for (int i = 0; i < 5; ++i) {
    v1::GenerateResponse response;
    EXPECT_TRUE(Generate(TextRequest("short"), &response).ok());
  }
  gate.Open();
  EXPECT_TRUE(Join().ok());
}

TEST_F(GenerateTest, AFullTokenizerQueueRefuses) {
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

}  // namespace
}  // namespace transept::server
