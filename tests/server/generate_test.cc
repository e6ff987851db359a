// Generate: answers, what the engine gets, cancellation and deadlines.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "tests/server/gate.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using GenerateTest = ServerTest;

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
  EXPECT_FALSE(hypothesis.has_eos());
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
  EXPECT_EQ(hypothesis.eos().token(), kEos);
  EXPECT_EQ(hypothesis.eos().logprob(), -0.5f);
  ASSERT_EQ(hypothesis.eos().alternatives_size(), 2);
  EXPECT_EQ(hypothesis.eos().alternatives(1).token(), kEos + 1);

  request.mutable_output()->set_top_logprobs(0);
  ASSERT_TRUE(Generate(request, &response).ok());
  EXPECT_EQ(response.hypotheses(0).eos().logprob(), -0.5f);
  EXPECT_THAT(response.hypotheses(0).eos().alternatives(), IsEmpty());
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
  options->set_num_beams(4);
  options->set_num_return_sequences(2);
  options->set_temperature(0.5f);
  options->set_seed(99);
  options->mutable_stop_sequences()->add_values("stop");
  options->mutable_bad_words_ids()->add_values()->add_ids(30);
  options->mutable_bad_words()->add_values("no");
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
  CallInBackground(request);
  const RequestId id = engine_->Next();
  const Request got = engine_->RequestOf(id);
  EXPECT_THAT(got.source, ElementsAre(20, 21));                                // exactly as given
  EXPECT_THAT(got.target_prefix, ElementsAreArray(FakeTokenizer::Ids("ab")));  // without EOS
  EXPECT_EQ(got.priority, -7);
  EXPECT_EQ(got.params.top_logprobs, 3);
  EXPECT_TRUE(got.params.do_sample);
  EXPECT_EQ(got.params.num_beams, 4);
  EXPECT_EQ(got.params.num_sequences, 2);
  EXPECT_EQ(got.params.temperature, 0.5f);
  EXPECT_EQ(got.params.seed, 99u);
  EXPECT_THAT(got.params.stop_sequences, ElementsAre("stop"));
  EXPECT_THAT(got.params.bad_words,
              ElementsAre(ElementsAre(30), ElementsAreArray(FakeTokenizer::Ids("no"))));
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

TEST_F(GenerateTest, HandsBeamSearchOver) {
  Start();
  v1::GenerateRequest request = TextRequest("hi");
  v1::GenerationOptions* options = request.mutable_options();
  options->set_num_beams(4);
  options->set_num_return_sequences(2);
  options->set_length_penalty(-0.5f);
  options->set_early_stopping(v1::EARLY_STOPPING_NEVER);
  options->set_renormalize_logits(true);
  CallInBackground(request);
  const RequestId id = engine_->Next();
  const DecodeParams got = engine_->RequestOf(id).params;
  EXPECT_EQ(got.num_beams, 4);
  EXPECT_EQ(got.num_sequences, 2);
  EXPECT_EQ(got.length_penalty, -0.5f);
  EXPECT_EQ(got.early_stopping, EarlyStopping::kNever);
  EXPECT_TRUE(got.renormalize_logits);
  engine_->Finish(id, MakeResult({FakeTokenizer::Ids("x"), FakeTokenizer::Ids("yz")}));
  ASSERT_TRUE(Join().ok());
  EXPECT_EQ(response_.hypotheses_size(), 2);
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
  // Calls on the same connection, which need no worker: the cancellation has arrived before them,
  // and before the last of them gRPC has noted it.
  for (int i = 0; i < 100; ++i) {
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

}  // namespace
}  // namespace transept::server
