// The server as its users meet it: a process with the demo model, flags, signals and calls.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "client/commands.h"
#include "config/loader.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/e2e/server_process.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kModel[] = "models/itn-en-small";

// What the client writes for these arguments; its exit code must be 0.
std::string Ask(const ServerProcess& server, std::vector<std::string> arguments,
                const std::string& input = "") {
  arguments.insert(arguments.end(), {"--address", server.address()});
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(client::Run(arguments, {in, out, err}), client::kOk) << err.str();
  return out.str();
}

TEST(Server, AnswersWithTheDemoModel) {
  const ServerProcess server({"--model-dir", kModel});
  EXPECT_EQ(Ask(server, {"generate", "--text", "i paid twenty dollars"}), "i paid $20\n");
  EXPECT_EQ(Ask(server, {"generate", "--stream", "--text", "i paid twenty dollars"}),
            "i paid $20\n");
  EXPECT_THAT(Ask(server, {"models"}), StartsWith("itn-en-small\tt5\tcpu"));
  EXPECT_EQ(Ask(server, {"health", "--service", "ready"}), "SERVING\n");
}

TEST(Server, SourcesDoNotInfluenceEachOther) {
  const ServerProcess server({"--model-dir", kModel, "--set", "models.engine.source_cache=false"});
  std::string lines;
  std::string alone;
  for (const char* number : {"one", "two hundred", "thirty five", "four thousand and six"}) {
    for (const char* thing : {"dollars", "percent", "apples on the table in the kitchen"}) {
      const std::string line = std::string("i saw ").append(number).append(" ").append(thing);
      lines.append(line).append("\n");
      alone += Ask(server, {"generate", "--text", line});
    }
  }
  EXPECT_EQ(Ask(server, {"generate", "-", "--concurrency", "12"}, lines), alone);
  EXPECT_EQ(Ask(server, {"generate", "-", "--stream"}, lines), alone);
}

// A stream that is under way: the first chunk has arrived.
class RunningStream {
 public:
  explicit RunningStream(v1::Transept::Stub* stub) {
    v1::GenerateRequest request;
    request.mutable_source()->set_text("one two three four five");
    request.mutable_options()->set_min_new_tokens(500);
    request.mutable_options()->set_max_new_tokens(500);
    reader_ = stub->GenerateStream(&context_, request);
    v1::GenerateChunk chunk;
    EXPECT_TRUE(reader_->Read(&chunk));
  }

  grpc::Status Finish(v1::GenerateResponse* response) {
    for (v1::GenerateChunk chunk; reader_->Read(&chunk);) *response = chunk.final();
    return reader_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::GenerateChunk>> reader_;
};

grpc::StatusCode Generate(v1::Transept::Stub* stub) {
  grpc::ClientContext context;
  v1::GenerateRequest request;
  v1::GenerateResponse response;
  request.mutable_source()->set_text("one");
  return stub->Generate(&context, request, &response).error_code();
}

TEST(Server, DrainsOnSigterm) {
  ServerProcess server({"--model-dir", kModel});
  const auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::Transept::NewStub(channel);
  RunningStream stream(stub.get());
  server.Signal(SIGTERM);
  while (Generate(stub.get()) == grpc::StatusCode::OK) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(Generate(stub.get()), grpc::StatusCode::UNAVAILABLE);
  v1::GenerateResponse response;
  const grpc::Status status = stream.Finish(&response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.usage().generated_tokens(), 500);
  const ProcessEnd end = server.Wait(seconds(20));
  EXPECT_EQ(end.exit_code, 0) << end.err;
}

TEST(Server, EndsRunningRequestsWhenTheDrainIsOver) {
  ServerProcess server({"--model-dir", kModel, "--set", "server.drain_seconds=0"});
  const auto stub = v1::Transept::NewStub(
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  RunningStream stream(stub.get());
  server.Signal(SIGTERM);
  v1::GenerateResponse response;
  EXPECT_EQ(stream.Finish(&response).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.Wait(seconds(20)).exit_code, 0);
}

TEST(Server, ASecondSignalEndsItAtOnce) {
  ServerProcess server({"--model-dir", kModel, "--set", "server.shutdown_delay_seconds=3000"});
  server.Signal(SIGTERM);
  while (true) {
    std::istringstream in;
    std::ostringstream out;
    const std::vector<std::string> health = {"health", "--service", "ready", "--address",
                                             server.address()};
    if (client::Run(health, {in, out, out}) != client::kOk) break;
  }
  EXPECT_EQ(Ask(server, {"health", "--service", "live"}), "SERVING\n");
  EXPECT_EQ(Ask(server, {"generate", "--text", "i paid twenty dollars"}), "i paid $20\n")
      << "requests are still accepted while load balancers learn that it is not ready";
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // earlier it might be the first
  server.Signal(SIGTERM);
  const ProcessEnd end = server.Wait(seconds(5));
  ASSERT_TRUE(end.exit_code.has_value()) << "still there after five seconds";
  EXPECT_NE(end.exit_code, 0);
}

TEST(Server, ChecksItsSettings) {
  const ProcessEnd good = RunServer({"--config", "config/transept.yaml", "--check-config"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_TRUE(config::Parse(good.out, "out").ok()) << good.out;

  const std::string path = ::testing::TempDir() + "/server_test.yaml";
  std::ofstream(path) << "server:\n  listen: nowhere\n";
  const ProcessEnd bad = RunServer({"--config", path, "--check-config"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr(path + ":2:11: server.listen: expected HOST:PORT"));
  EXPECT_EQ(bad.out, "");
  std::remove(path.c_str());

  // Where two settings contradict each other, the check says what the start would.
  const std::vector<std::string> contradiction = {
      "--model-dir", kModel,
      "--set",       "models.generation.max_new_tokens=5",
      "--set",       "models.generation.min_new_tokens=6"};
  std::vector<std::string> check = contradiction;
  check.push_back("--check-config");
  for (const auto& arguments : {contradiction, check}) {
    const ProcessEnd end = RunServer(arguments);
    EXPECT_EQ(end.exit_code, 2);
    EXPECT_THAT(end.err, HasSubstr("models[0].generation.min_new_tokens: 6 is not allowed"));
  }
}

TEST(Server, ExplainsWhyItDoesNotStart) {
  const auto expect = [](std::vector<std::string> arguments, const std::string& reason) {
    arguments.insert(arguments.begin(), {"--listen", "127.0.0.1:0"});
    const ProcessEnd end = RunServer(arguments);
    EXPECT_TRUE(end.exit_code.has_value() && *end.exit_code != 0) << reason;
    EXPECT_THAT(end.err, HasSubstr(reason));
    EXPECT_EQ(end.out, "");
  };
  expect({}, "model");
  expect({"--bogus"}, "--bogus");
  expect({"--model-dir"}, "--model-dir");
  expect({"--model-dir", "no/such/folder"}, "no/such/folder");
  expect({"--model-dir", kModel, "--device", "abacus"}, "abacus");
  expect({"--model-dir", kModel, "--device", "cuda"}, "device: 'cuda'");
  expect({"--model-dir", kModel, "--set", "models.engine.gpu_memory_fraction=0"}, "out of range");
  expect({"--model-dir", kModel, "--set", "server.drain_seconds=-1"}, "out of range");
}

TEST(Server, SaysInOneLineThatItsPortIsInUse) {
  const ServerProcess other({"--model-dir", kModel});
  const ProcessEnd end = RunServer({"--model-dir", kModel, "--listen", other.address()});
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_EQ(end.out, "");
  EXPECT_EQ(end.err,
            "transept-server: cannot listen on " + other.address() + ": Address already in use\n");
}

// In builds without CUDA, without a driver, and with GPUs that the environment hides.
TEST(Server, SaysInOneLineThatItHasNoGpu) {
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  const ProcessEnd end =
      RunServer({"--listen", "127.0.0.1:0", "--model-dir", kModel, "--device", "cuda"});
  unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_EQ(end.out, "");
  EXPECT_THAT(end.err, StartsWith("transept-server: device: "));
  EXPECT_THAT(end.err, HasSubstr("'cuda'"));
  EXPECT_EQ(end.err.find('\n') + 1, end.err.size()) << end.err;
}

}  // namespace
}  // namespace transept
