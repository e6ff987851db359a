// GenerateStream: deltas, coalescing, slow readers, cancellation.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>

#include "gmock/gmock.h"
#include "tests/server/gate.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using testing::ElementsAreArray;
using Chunks = std::vector<v1::GenerateChunk>;

std::vector<TokenId> Ids(const std::string& text) {
  return FakeTokenizer::Ids(text);
}

class StreamTest : public ServerTest {
 protected:
  std::unique_ptr<grpc::ClientReader<v1::GenerateChunk>> Open(const v1::GenerateRequest& request) {
    return stub_->GenerateStream(&context_, request);
  }

  // The chunks' texts of one hypothesis, joined.
  static std::string TextOf(const Chunks& chunks, int hypothesis = 0) {
    std::string text;
    for (const v1::GenerateChunk& chunk : chunks) {
      if (chunk.hypothesis_index() == hypothesis) text += chunk.text();
    }
    return text;
  }
  static std::vector<TokenId> TokensOf(const Chunks& chunks, int hypothesis = 0) {
    std::vector<TokenId> tokens;
    for (const v1::GenerateChunk& chunk : chunks) {
      if (chunk.hypothesis_index() != hypothesis) continue;
      tokens.insert(tokens.end(), chunk.tokens().ids().begin(), chunk.tokens().ids().end());
    }
    return tokens;
  }
  // Only the last chunk has `final`.
  static void ExpectOneFinal(const Chunks& chunks) {
    ASSERT_FALSE(chunks.empty());
    for (size_t i = 0; i < chunks.size(); ++i) {
      EXPECT_EQ(chunks[i].has_final(), i + 1 == chunks.size());
    }
  }
};

TEST_F(StreamTest, SendsTokensAsTheyCome) {
  Start();
  v1::GenerateRequest request = TextRequest("q");
  request.mutable_output()->set_tokens(true);
  const auto reader = Open(request);
  const RequestId id = engine_->Next();
  v1::GenerateChunk chunk;
  std::string text;
  for (const std::string piece : {"on", "e t", "wo"}) {
    engine_->Emit(id, 0, Ids(piece));
    do {  // a piece's tokens come before the next piece is made
      ASSERT_TRUE(reader->Read(&chunk));
      text += chunk.text();
      EXPECT_FALSE(chunk.has_final());
    } while (text.size() < 2 || text.back() != piece.back());
  }
  engine_->Finish(id, MakeResult({Ids("one two")}));
  ASSERT_TRUE(reader->Read(&chunk));
  text += chunk.text();
  EXPECT_EQ(text, "one two");
  ASSERT_TRUE(chunk.has_final());
  EXPECT_EQ(chunk.final().hypotheses(0).text(), "one two");
  EXPECT_THAT(chunk.final().hypotheses(0).tokens().ids(), ElementsAreArray(Ids("one two")));
  EXPECT_EQ(chunk.final().model(), "echo");
  EXPECT_EQ(chunk.final().usage().generated_tokens(), 7);
  EXPECT_FALSE(chunk.final().request_id().empty());
  EXPECT_FALSE(reader->Read(&chunk));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(StreamTest, ConcatenationIsTheWholeOutput) {
  Start();
  engine_->AnswerByItself();
  v1::GenerateRequest request = TextRequest("größer → 漢字 🙂");
  request.mutable_output()->set_tokens(true);
  request.mutable_options()->set_do_sample(true);
  request.mutable_options()->set_num_return_sequences(3);
  Chunks chunks;
  const grpc::Status status = ReadAll(Open(request).get(), &chunks);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ExpectOneFinal(chunks);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(TextOf(chunks, i), request.source().text());
    EXPECT_THAT(TokensOf(chunks, i), ElementsAreArray(Ids(request.source().text())));
    EXPECT_EQ(chunks.back().final().hypotheses(i).text(), request.source().text());
  }
}

TEST_F(StreamTest, SendsAtTheEndWhatWasNotStreamed) {
  Start();
  const auto reader = Open(TextRequest("q"));
  const RequestId id = engine_->Next();
  engine_->Emit(id, 0, Ids("begin"));
  engine_->Finish(id, MakeResult({Ids("begin and end")}));
  Chunks chunks;
  ASSERT_TRUE(ReadAll(reader.get(), &chunks).ok());
  EXPECT_EQ(TextOf(chunks), "begin and end");
  EXPECT_EQ(chunks.back().final().hypotheses(0).text(), "begin and end");
}

TEST_F(StreamTest, AnEmptyOutputIsOneChunk) {
  Start();
  const auto reader = Open(TextRequest("q"));
  engine_->Finish(engine_->Next(), MakeResult({{}}));
  Chunks chunks;
  ASSERT_TRUE(ReadAll(reader.get(), &chunks).ok());
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].text(), "");
  EXPECT_TRUE(chunks[0].has_final());
}

TEST_F(StreamTest, HoldsBackWhatMayBeAStopSequence) {
  Start();
  v1::GenerateRequest request = TextRequest("q");
  request.mutable_options()->mutable_stop_sequences()->add_values("STOP");
  const auto reader = Open(request);
  const RequestId id = engine_->Next();
  engine_->Emit(id, 0, Ids("a ST"));
  v1::GenerateChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  EXPECT_EQ(chunk.text(), "a ");
  engine_->Emit(id, 0, Ids("OP"));
  engine_->Finish(id, MakeResult({Ids("a STOP")}, FinishReason::kStopSequence));
  Chunks chunks;
  ASSERT_TRUE(ReadAll(reader.get(), &chunks).ok());
  EXPECT_EQ(TextOf(chunks), "");
  EXPECT_EQ(chunks.back().final().hypotheses(0).text(), "a ");
  EXPECT_EQ(chunks.back().final().hypotheses(0).finish_reason(), v1::FINISH_REASON_STOP_SEQUENCE);
}

TEST_F(StreamTest, AModelWithoutTokenizerStreamsTokens) {
  Start(nullptr);
  engine_->AnswerByItself();
  Chunks chunks;
  ASSERT_TRUE(ReadAll(Open(TokensRequest({20, 21, 22})).get(), &chunks).ok());
  EXPECT_THAT(TokensOf(chunks), testing::ElementsAre(20, 21, 22));
  EXPECT_THAT(chunks.back().final().hypotheses(0).tokens().ids(), testing::ElementsAre(20, 21, 22));
}

TEST_F(StreamTest, OneMessageTakesAllThatIsBuffered) {
  Gate gate;
  config_.tokenizer_threads = 1;
  Start(std::make_shared<FakeTokenizer>([&](std::string_view text) {
    if (text == "wait") gate.Wait();
  }));
  const auto reader = Open(TextRequest("q"));
  const RequestId id = engine_->Next();
  std::thread blocker([&] {  // occupies the only worker
    grpc::ClientContext context;
    v1::TokenizeRequest request;
    v1::TokenizeResponse response;
    request.set_text("wait");
    EXPECT_TRUE(stub_->Tokenize(&context, request, &response).ok());
  });
  gate.AwaitWaiters(1);
  for (int i = 0; i < 20; ++i) engine_->Emit(id, 0, Ids("x"));
  engine_->Flush();
  gate.Open();
  blocker.join();
  v1::GenerateChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  EXPECT_EQ(chunk.text(), std::string(20, 'x'));
  engine_->Finish(id, MakeResult({Ids(std::string(20, 'x'))}));
  Chunks rest;
  EXPECT_TRUE(ReadAll(reader.get(), &rest).ok());
  EXPECT_EQ(rest.size(), 1u);
}

TEST_F(StreamTest, ErrorsComeAsStatus) {
  Start();
  {
    Chunks chunks;
    const grpc::Status status = ReadAll(Open(TextRequest("")).get(), &chunks);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), "source.text");
    EXPECT_TRUE(chunks.empty());
    // Clients retry only while they have seen no headers.
    EXPECT_TRUE(context_.GetServerInitialMetadata().empty());
  }
  grpc::ClientContext context;
  const auto reader = stub_->GenerateStream(&context, TextRequest("q"));
  const RequestId id = engine_->Next();
  engine_->Emit(id, 0, Ids("abc"));
  engine_->Finish(id, absl::InternalError("bug"));
  Chunks chunks;
  EXPECT_EQ(ReadAll(reader.get(), &chunks).error_code(), StatusCode::INTERNAL);
}

TEST_F(StreamTest, AWrongNumberOfHypothesesIsAnInternalError) {
  Start();
  const auto reader = Open(TextRequest("q"));
  engine_->Finish(engine_->Next(), MakeResult({}));
  Chunks chunks;
  EXPECT_EQ(ReadAll(reader.get(), &chunks).error_code(), StatusCode::INTERNAL);
}

TEST_F(StreamTest, CancellingFreesTheRequest) {
  Start();
  const auto reader = Open(TextRequest("q"));
  const RequestId id = engine_->Next();
  engine_->Emit(id, 0, Ids("abc"));
  v1::GenerateChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  context_.TryCancel();
  engine_->WaitForCancel(id);
  engine_->WaitForIdle();
  Chunks chunks;
  EXPECT_EQ(ReadAll(reader.get(), &chunks).error_code(), StatusCode::CANCELLED);
}

TEST_F(StreamTest, AClientThatVanishesFreesTheRequest) {
  Start();
  auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  auto stub = v1::Transept::NewStub(channel);
  auto context = std::make_unique<grpc::ClientContext>();
  auto reader = stub->GenerateStream(context.get(), TextRequest("q"));
  const RequestId id = engine_->Next();
  reader.reset();
  context.reset();  // ends the call without a word
  stub.reset();
  channel.reset();
  engine_->WaitForCancel(id);
  engine_->WaitForIdle();
}

TEST_F(StreamTest, AClientThatDoesNotReadHoldsUpNobody) {
  config_.max_outbox_tokens = 2000;
  Start();
  v1::GenerateRequest request = TextRequest("slow");
  request.mutable_output()->set_tokens(true);
  const auto reader = Open(request);
  const RequestId id = engine_->Next();
  // Until flow control stops the writes and the outbox is full. Whatever the client's window is, it
  // ends.
  const std::vector<TokenId> burst = Ids(std::string(500, 'x'));
  int bursts = 0;
  while (engine_->cancelled() == 0) {
    engine_->Emit(id, 0, burst);
    engine_->Flush();
    ASSERT_LT(++bursts, 100'000);
  }
  engine_->WaitForIdle();  // its rows are free, though nothing has been read

  engine_->AnswerByItself();
  for (int i = 0; i < 10; ++i) {
    v1::GenerateResponse response;
    EXPECT_TRUE(Generate(TextRequest("others"), &response).ok());
  }
  Chunks chunks;
  const grpc::Status status = ReadAll(reader.get(), &chunks);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  for (const v1::GenerateChunk& chunk : chunks) EXPECT_FALSE(chunk.has_final());
}

TEST_F(StreamTest, AClientThatNeverReadsIsCutOffInTheEnd) {
  config_.max_outbox_tokens = 500'000;
  config_.stalled_stream_seconds = 0.2;
  Start();
  v1::GenerateRequest request = TextRequest("never");
  request.mutable_output()->set_tokens(true);
  const auto reader = Open(request);
  const RequestId id = engine_->Next();
  // Larger than the client's window, so the first write is stuck already.
  const std::vector<TokenId> burst = Ids(std::string(200'000, 'x'));
  while (engine_->cancelled() == 0) {
    engine_->Emit(id, 0, burst);
    engine_->Flush();
  }
  server_->Shutdown(std::chrono::hours(1));  // returns when the call has ended, though unread
  Chunks chunks;
  EXPECT_FALSE(ReadAll(reader.get(), &chunks).ok());
}

}  // namespace
}  // namespace transept::server
