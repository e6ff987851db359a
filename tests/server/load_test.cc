// Many clients at once that cancel when they like: everything ends, and nothing is left.
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

constexpr int kClients = 64;
constexpr int kCallsEach = 25;

class LoadTest : public ServerTest {
 protected:
  // One call of a random kind, perhaps cancelled at a random moment.
  void Call(std::mt19937* random) {
    const std::string text(1 + (*random)() % 40, static_cast<char>('a' + (*random)() % 26));
    grpc::ClientContext context;
    std::thread canceller;
    const int kind = static_cast<int>((*random)() % 4);
    if (kind == 1 || kind == 3) {
      const auto delay = std::chrono::microseconds((*random)() % 3000);
      canceller = std::thread([&context, delay] {
        std::this_thread::sleep_for(delay);
        context.TryCancel();
      });
    }
    std::string output;
    const grpc::Status status =
        kind < 2 ? Unary(&context, text, &output) : Stream(&context, text, random, &output);
    if (canceller.joinable()) canceller.join();
    if (status.ok()) {
      EXPECT_EQ(output, text);
      ++answered_;
    } else {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED) << status.error_message();
      EXPECT_TRUE(kind == 1 || kind == 3);
    }
  }

  grpc::Status Unary(grpc::ClientContext* context, const std::string& text, std::string* output) {
    v1::GenerateResponse response;
    const grpc::Status status = stub_->Generate(context, TextRequest(text), &response);
    if (status.ok()) *output = response.hypotheses(0).text();
    return status;
  }

  grpc::Status Stream(grpc::ClientContext* context, const std::string& text, std::mt19937* random,
                      std::string* output) {
    const auto reader = stub_->GenerateStream(context, TextRequest(text));
    v1::GenerateChunk chunk;
    while (reader->Read(&chunk)) {
      *output += chunk.text();
      if ((*random)() % 8 == 0) std::this_thread::yield();
    }
    return reader->Finish();
  }

  std::atomic<int> answered_ = 0;
};

TEST_F(LoadTest, MixedClientsWithRandomCancels) {
  Start();
  engine_->AnswerByItself();
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([this, i] {
      std::mt19937 random(i);
      for (int call = 0; call < kCallsEach; ++call) Call(&random);
    });
  }
  for (std::thread& client : clients) client.join();
  engine_->WaitForIdle();
  EXPECT_EQ(engine_->Stats().requests_running, 0);
  EXPECT_GT(answered_, kClients * kCallsEach / 4);
  server_->Shutdown(std::chrono::seconds(10));  // hangs if a reactor has not finished
}

}  // namespace
}  // namespace transept::server
