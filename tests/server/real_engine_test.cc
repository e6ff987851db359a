// The whole service, from gRPC to the demo model, under clients that come, cancel and go.
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>

#include "gtest/gtest.h"
#include "server/grpc_server.h"
#include "server/model_loader.h"
#include "server/model_registry.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

constexpr int kClients = 64;
constexpr int kCallsEach = 6;

class RealEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config::ModelConfig config;
    config.name = "demo";
    config.path = "models/itn-en-small";
    config.engine.max_rows = 16;
    config.engine.kv_cache_mib = 8;  // small, so that requests wait for blocks and for rows
    auto model = LoadModel(config);
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_TRUE(models_.Add(*std::move(model)).ok());
    config::ServerConfig server_config;
    server_config.listen = "127.0.0.1:0";
    auto server = GrpcServer::Start(server_config, &models_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::Transept::NewStub(
        grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  }

  v1::GenerateRequest RandomRequest(std::mt19937* random) {
    static const char* const kTexts[] = {
        "the train leaves at half past nine", "it costs twenty five dollars and ten cents",
        "nothing to change here", "call me on five five five oh one two three",
        "on the first of may two thousand and four we met eleven people at a quarter to six"};
    v1::GenerateRequest request;
    request.mutable_source()->set_text(kTexts[(*random)() % 5]);
    request.set_priority(static_cast<int>((*random)() % 3));
    if ((*random)() % 2 == 0) {
      request.mutable_options()->set_do_sample(true);
      request.mutable_options()->set_seed((*random)());
      request.mutable_options()->set_num_return_sequences(1 + (*random)() % 3);
    }
    if ((*random)() % 3 == 0) request.mutable_options()->set_num_beams(3);
    return request;
  }

  // One call of a random kind; half of them are cancelled at a random moment.
  void Call(std::mt19937* random) {
    grpc::ClientContext context;
    std::thread canceller;
    const bool cancels = (*random)() % 2 == 0;
    if (cancels) {
      const auto delay = std::chrono::milliseconds((*random)() % 100);
      canceller = std::thread([&context, delay] {
        std::this_thread::sleep_for(delay);
        context.TryCancel();
      });
    }
    const v1::GenerateRequest request = RandomRequest(random);
    grpc::Status status;
    switch ((*random)() % 6) {
      case 0: status = Score(&context, request); break;
      case 1: status = Encode(&context, request); break;
      case 2:
      case 3: status = Stream(&context, request); break;
      default: status = Unary(&context, request);
    }
    if (canceller.joinable()) canceller.join();
    if (status.ok()) {
      ++answered_;
    } else {
      EXPECT_TRUE(cancels) << status.error_message();
      EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED) << status.error_message();
    }
  }

  grpc::Status Unary(grpc::ClientContext* context, const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    return stub_->Generate(context, request, &response);
  }

  // The source as its own target, and an empty one.
  grpc::Status Score(grpc::ClientContext* context, const v1::GenerateRequest& generate) {
    v1::ScoreRequest request;
    *request.mutable_source() = generate.source();
    *request.add_targets() = generate.source();
    request.add_targets()->set_text("");
    v1::ScoreResponse response;
    return stub_->Score(context, request, &response);
  }

  grpc::Status Encode(grpc::ClientContext* context, const v1::GenerateRequest& generate) {
    v1::EncodeRequest request;
    *request.mutable_source() = generate.source();
    v1::EncodeResponse response;
    return stub_->Encode(context, request, &response);
  }

  grpc::Status Stream(grpc::ClientContext* context, const v1::GenerateRequest& request) {
    const auto reader = stub_->GenerateStream(context, request);
    v1::GenerateChunk chunk;
    while (reader->Read(&chunk)) {
    }
    return reader->Finish();
  }

  // The outputs of a search, the same from a stream.
  void Search(const std::vector<std::string>& stop_sequences, v1::GenerateResponse* unary) {
    v1::GenerateRequest request;
    request.mutable_source()->set_text(
        "on the first of may two thousand and four we met eleven people");
    request.mutable_options()->set_num_beams(4);
    request.mutable_options()->set_num_return_sequences(3);
    for (const std::string& stop : stop_sequences) {
      request.mutable_options()->mutable_stop_sequences()->add_values(stop);
    }
    request.mutable_output()->set_tokens(true);
    grpc::ClientContext unary_context;
    ASSERT_TRUE(stub_->Generate(&unary_context, request, unary).ok());
    ASSERT_EQ(unary->hypotheses_size(), 3);
    EXPECT_GE(unary->hypotheses(0).score(), unary->hypotheses(1).score());

    grpc::ClientContext context;
    const auto reader = stub_->GenerateStream(&context, request);
    std::vector<std::string> texts(3);
    std::vector<std::vector<int32_t>> tokens(3);
    v1::GenerateChunk chunk;
    int chunks = 0;
    while (reader->Read(&chunk)) {
      const int index = chunk.hypothesis_index();
      texts[index] += chunk.text();
      tokens[index].insert(tokens[index].end(), chunk.tokens().ids().begin(),
                           chunk.tokens().ids().end());
      ++chunks;
    }
    ASSERT_TRUE(reader->Finish().ok());
    EXPECT_GE(chunks, 3);  // how much comes before the ends depends on who is quicker
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(texts[i], unary->hypotheses(i).text());
      const auto& ids = unary->hypotheses(i).tokens().ids();
      EXPECT_EQ(tokens[i], std::vector<int32_t>(ids.begin(), ids.end()));
      EXPECT_EQ(chunk.final().hypotheses(i).text(), unary->hypotheses(i).text());
    }
  }

  ModelRegistry models_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Transept::Stub> stub_;
  std::atomic<int> answered_ = 0;
};

TEST_F(RealEngineTest, ScoresWhatItGeneratesAsItDidThen) {
  v1::GenerateRequest generate;
  generate.mutable_source()->set_text("the train leaves at half past nine");
  generate.mutable_output()->set_tokens(true);
  generate.mutable_output()->set_token_logprobs(true);
  grpc::ClientContext generating, scoring;
  v1::GenerateResponse generated;
  ASSERT_TRUE(stub_->Generate(&generating, generate, &generated).ok());
  const v1::Hypothesis& hypothesis = generated.hypotheses(0);
  ASSERT_TRUE(hypothesis.has_eos());

  v1::ScoreRequest score;
  *score.mutable_source() = generate.source();
  *score.add_targets()->mutable_tokens() = hypothesis.tokens();
  score.mutable_targets(0)->mutable_tokens()->add_ids(hypothesis.eos().token());
  score.add_targets()->set_text(hypothesis.text());
  v1::ScoreResponse response;
  ASSERT_TRUE(stub_->Score(&scoring, score, &response).ok());
  EXPECT_TRUE(response.usage().encoder_reused());
  for (const v1::TargetScore& target : response.scores()) {
    EXPECT_NEAR(target.score(), hypothesis.score(), 1e-4);
    ASSERT_EQ(target.token_logprobs_size(), hypothesis.tokens().ids_size() + 1);
    for (int i = 0; i < hypothesis.tokens().ids_size(); ++i) {
      EXPECT_NEAR(target.token_logprobs(i), hypothesis.token_logprobs(i), 1e-4);
    }
    EXPECT_NEAR(*target.token_logprobs().rbegin(), hypothesis.eos().logprob(), 1e-4);
  }
}

TEST_F(RealEngineTest, ManyClientsWithRandomCancelsLeaveNoBlockInUse) {
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([this, i] {
      std::mt19937 random(i);
      for (int call = 0; call < kCallsEach; ++call) Call(&random);
    });
  }
  for (std::thread& client : clients) client.join();
  Engine& engine = *models_.models().front()->engine;
  engine.Drain(Clock::now() + std::chrono::minutes(1));  // cancelled calls may still be running
  const EngineStats stats = engine.Stats();
  EXPECT_EQ(stats.blocks_used - stats.blocks_cached, 0);
  EXPECT_EQ(stats.rows_running, 0);
  EXPECT_EQ(stats.requests_finished + stats.requests_failed, stats.requests_submitted);
  EXPECT_GT(answered_, 0);
}

TEST_F(RealEngineTest, AStreamOfBeamSearchSaysWhatTheUnaryCallDoes) {
  v1::GenerateResponse found;
  Search({}, &found);
  EXPECT_EQ(found.hypotheses(0).finish_reason(), v1::FINISH_REASON_EOS);
}

TEST_F(RealEngineTest, StopSequencesEndBeams) {
  v1::GenerateResponse whole, stopped;
  Search({}, &whole);
  Search({" we", "eleven"}, &stopped);
  EXPECT_EQ(stopped.hypotheses(0).finish_reason(), v1::FINISH_REASON_STOP_SEQUENCE);
  const std::string& text = whole.hypotheses(0).text();
  EXPECT_EQ(stopped.hypotheses(0).text(), text.substr(0, text.find(" we")));
}

}  // namespace
}  // namespace transept::server
