// Measures what the edge adds to a request: the time of calls to an engine that answers at once.
//
//   server_call_overhead [CALLS]
//
// One client, one call after the other, over the loopback interface. Prints one JSON line for each
// kind of call.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "server/grpc_server.h"
#include "server/model_registry.h"
#include "tests/server/fake_engine.h"
#include "tests/server/fake_tokenizer.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

constexpr int kSourceBytes = 100;

ModelRegistry EchoModel() {
  auto engine = std::make_unique<FakeEngine>();
  engine->AnswerByItself();
  Model model;
  model.name = "echo";
  model.engine = std::move(engine);
  model.tokenizer = std::make_shared<FakeTokenizer>();
  ModelRegistry models;
  if (!models.Add(std::move(model)).ok()) std::abort();
  return models;
}

void Measure(const char* name, int calls, const std::function<bool()>& call) {
  for (int i = 0; i < 20; ++i) {
    if (!call()) std::abort();
  }
  std::vector<double> microseconds;
  for (int i = 0; i < calls; ++i) {
    const auto start = Clock::now();
    if (!call()) std::abort();
    microseconds.push_back(1000 * Milliseconds(Clock::now() - start));
  }
  std::sort(microseconds.begin(), microseconds.end());
  std::printf("{\"call\": \"%s\", \"calls\": %d, \"median_us\": %.0f, \"p99_us\": %.0f}\n", name,
              calls, microseconds[calls / 2], microseconds[calls * 99 / 100]);
}

int Main(int argc, char** argv) {
  const int calls = argc > 1 ? std::atoi(argv[1]) : 2000;
  if (calls < 1) return 2;
  const ModelRegistry models = EchoModel();
  config::ServerConfig config;
  config.listen = "127.0.0.1:0";
  const auto server = GrpcServer::Start(config, &models);
  if (!server.ok()) return 1;
  const auto stub = v1::Transept::NewStub(
      grpc::CreateChannel((*server)->address(), grpc::InsecureChannelCredentials()));
  v1::GenerateRequest request;
  request.mutable_source()->set_text(std::string(kSourceBytes, 'a'));

  Measure("ListModels", calls, [&] {
    grpc::ClientContext context;
    v1::ListModelsResponse response;
    return stub->ListModels(&context, {}, &response).ok();
  });
  Measure("Generate", calls, [&] {
    grpc::ClientContext context;
    v1::GenerateResponse response;
    return stub->Generate(&context, request, &response).ok();
  });
  Measure("GenerateStream", calls, [&] {
    grpc::ClientContext context;
    const auto reader = stub->GenerateStream(&context, request);
    v1::GenerateChunk chunk;
    while (reader->Read(&chunk)) continue;
    return reader->Finish().ok();
  });
  return 0;
}

}  // namespace
}  // namespace transept::server

int main(int argc, char** argv) {
  return transept::server::Main(argc, argv);
}
