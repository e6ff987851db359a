// Score and Encode: answers, what the engine gets, errors with their fields, cancellation.
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

class ScoreTest : public ServerTest {
 protected:
  static v1::ScoreRequest ScoreRequest(const std::string& source, const std::string& target) {
    v1::ScoreRequest request;
    request.mutable_source()->set_text(source);
    request.add_targets()->set_text(target);
    return request;
  }
  static v1::EncodeRequest EncodeRequest(const std::string& source) {
    v1::EncodeRequest request;
    request.mutable_source()->set_text(source);
    return request;
  }
  grpc::Status Score(const v1::ScoreRequest& request, v1::ScoreResponse* response) {
    grpc::ClientContext context;
    return stub_->Score(&context, request, response);
  }
  grpc::Status Encode(const v1::EncodeRequest& request, v1::EncodeResponse* response) {
    grpc::ClientContext context;
    return stub_->Encode(&context, request, response);
  }
};

// The tokens of a text as labels: with the final EOS.
std::vector<TokenId> Labels(const std::string& text) {
  std::vector<TokenId> ids = FakeTokenizer::Ids(text);
  ids.push_back(kEos);
  return ids;
}

TEST_F(ScoreTest, ScoresTextsAndTokens) {
  Start();
  engine_->AnswerByItself();
  v1::ScoreRequest request = ScoreRequest("hello", "hi");
  request.set_request_id("my-id");
  request.set_priority(3);
  request.add_targets()->mutable_tokens()->add_ids(77);
  request.add_targets()->set_text("");
  v1::ScoreResponse response;
  const grpc::Status status = Score(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.request_id(), "my-id");
  EXPECT_EQ(response.model(), "echo");
  ASSERT_EQ(response.scores_size(), 3);
  EXPECT_THAT(response.scores(0).tokens().ids(), ElementsAreArray(Labels("hi")));
  EXPECT_THAT(response.scores(0).token_logprobs(), ElementsAre(-0.5f, -0.5f, -0.5f));
  EXPECT_EQ(response.scores(0).score(), -1.5f);
  EXPECT_THAT(response.scores(1).tokens().ids(), ElementsAre(77)) << "exactly as given";
  EXPECT_THAT(response.scores(2).tokens().ids(), ElementsAre(kEos));
  EXPECT_EQ(response.usage().source_tokens(), 3);
  EXPECT_EQ(response.usage().generated_tokens(), 0);
  EXPECT_EQ(response.usage().scored_tokens(), 5);
  EXPECT_TRUE(response.usage().encoder_reused());
  EXPECT_EQ(response.timings().decode_ms(), 3.0);

  const Request sent = engine_->RequestOf(engine_->Next());
  EXPECT_EQ(sent.source, Labels("hello"));
  EXPECT_EQ(sent.priority, 3);
  EXPECT_THAT(sent.targets, ElementsAre(Labels("hi"), ElementsAre(77), ElementsAre(kEos)));
}

TEST_F(ScoreTest, NamesTheFieldAtFault) {
  Start();
  engine_->AnswerByItself();
  using R = v1::ScoreRequest;
  const auto tokens = [](R* r) { return r->mutable_targets(0)->mutable_tokens()->mutable_ids(); };
  struct BadField {
    std::string field;
    std::string message;
    std::function<void(R*)> change;
  };
  const std::vector<BadField> bad_fields = {
      {"source", "required", [](R* r) { r->clear_source(); }},
      {"source.text", "is empty", [](R* r) { r->mutable_source()->set_text(""); }},
      {"targets", "required", [](R* r) { r->clear_targets(); }},
      {"targets", "has 9 targets; at most 8",
       [](R* r) {
         while (r->targets_size() < 9) r->add_targets()->set_text("a");
       }},
      {"targets[1]", "one of text and tokens", [](R* r) { r->add_targets(); }},
      {"targets[0].text", "has 5000 bytes; at most 4096",
       [](R* r) { r->mutable_targets(0)->set_text(std::string(5000, 'a')); }},
      {"targets[0].tokens", "has 65 tokens; at most 64", [=](R* r) { tokens(r)->Resize(65, 20); }},
      {"targets[0].tokens.ids[1]", "300 is not between 0 and 299",
       [=](R* r) {
         tokens(r)->Add(20);
         tokens(r)->Add(kVocabSize);
       }},
      {"source_language", "takes no language", [](R* r) { r->set_source_language("en"); }},
      {"target_language", "takes no language", [](R* r) { r->set_target_language("de"); }},
      {"priority", "101", [](R* r) { r->set_priority(101); }},
      {"request_id", "A-Z", [](R* r) { r->set_request_id("two words"); }},
  };
  for (const BadField& bad : bad_fields) {
    SCOPED_TRACE(bad.field);
    R request = ScoreRequest("good", "good");
    bad.change(&request);
    v1::ScoreResponse response;
    const grpc::Status status = Score(request, &response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), bad.field);
    EXPECT_THAT(status.error_message(), HasSubstr(bad.message));
  }
  R request = ScoreRequest("good", "good");
  request.set_model("other");
  v1::ScoreResponse response;
  EXPECT_EQ(Score(request, &response).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ScoreTest, EncodesAsAsked) {
  Start();
  engine_->AnswerByItself();
  v1::EncodeResponse response;
  ASSERT_TRUE(Encode(EncodeRequest("ab"), &response).ok());
  ASSERT_EQ(response.states_size(), 1);
  EXPECT_THAT(response.states(0).values(), ElementsAre(3, 4, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(response.model(), "echo");
  EXPECT_FALSE(response.request_id().empty());
  EXPECT_EQ(response.usage().source_tokens(), 3);
  EXPECT_EQ(engine_->RequestOf(engine_->Next()).pooling, Pooling::kMean);

  v1::EncodeRequest request = EncodeRequest("ab");
  request.set_pooling(v1::POOLING_ALL);
  request.set_normalize(true);
  ASSERT_TRUE(Encode(request, &response).ok());
  ASSERT_EQ(response.states_size(), 3);
  for (const v1::Vector& state : response.states()) {
    EXPECT_THAT(state.values(), ElementsAre(0.6f, 0.8f, 0, 0, 0, 0, 0, 0));
  }
  const Request sent = engine_->RequestOf(engine_->Next());
  EXPECT_EQ(sent.source, Labels("ab"));
  EXPECT_EQ(sent.pooling, Pooling::kAll);
  request.set_pooling(v1::POOLING_FIRST);
  ASSERT_TRUE(Encode(request, &response).ok());
  EXPECT_EQ(engine_->RequestOf(engine_->Next()).pooling, Pooling::kFirst);
  request.set_pooling(v1::POOLING_LAST);
  ASSERT_TRUE(Encode(request, &response).ok());
  EXPECT_EQ(engine_->RequestOf(engine_->Next()).pooling, Pooling::kLast);
}

TEST_F(ScoreTest, EncodeNamesTheFieldAtFault) {
  engine_config_.max_source_tokens = 200'000;
  Start();
  engine_->AnswerByItself();
  v1::EncodeResponse response;
  v1::EncodeRequest request = EncodeRequest("a");
  request.set_pooling(static_cast<v1::Pooling>(9));
  grpc::Status status = Encode(request, &response);
  EXPECT_EQ(FieldOf(status), "pooling");
  EXPECT_THAT(status.error_message(), HasSubstr("9 is unknown"));
  EXPECT_EQ(FieldOf(Encode({}, &response)), "source");

  // The response is bounded by what clients take by default.
  request.set_pooling(v1::POOLING_ALL);
  request.mutable_source()->mutable_tokens()->mutable_ids()->Resize(100'001, 20);
  status = Encode(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "pooling");
  EXPECT_THAT(status.error_message(),
              HasSubstr("100001 positions, 8 numbers each, take 4000040 bytes"));
  request.mutable_source()->mutable_tokens()->mutable_ids()->Resize(100'000, 20);
  status = Encode(request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.states_size(), 100'000);
}

TEST_F(ScoreTest, AModelWithoutTokenizerTakesTokensOnly) {
  Start(nullptr);
  engine_->AnswerByItself();
  v1::ScoreRequest request;
  request.mutable_source()->mutable_tokens()->add_ids(20);
  request.add_targets()->set_text("a");
  v1::ScoreResponse response;
  const grpc::Status status = Score(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("targets[0].text"));
  request.mutable_targets(0)->mutable_tokens()->add_ids(30);
  EXPECT_TRUE(Score(request, &response).ok());
}

TEST_F(ScoreTest, CancellingFreesTheRequest) {
  Start();
  std::thread caller([this] {
    v1::ScoreResponse response;
    EXPECT_EQ(stub_->Score(&context_, ScoreRequest("a", "b"), &response).error_code(),
              StatusCode::CANCELLED);
  });
  const RequestId id = engine_->Next();
  context_.TryCancel();
  engine_->WaitForCancel(id);
  engine_->WaitForIdle();
  caller.join();
}

}  // namespace
}  // namespace transept::server
