// Text to text, and text scored behind text, in languages where a model takes them, from gRPC to
// the engine, against transformers (tools/goldens/text_models.py writes the models and what they
// make of texts).
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>

#include <grpcpp/create_channel.h>

#include "engine/json/json.h"
#include "gtest/gtest.h"
#include "server/grpc_server.h"
#include "server/model_loader.h"
#include "server/model_registry.h"
#include "tests/support/temp_folder.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

const std::string kData = "tests/data/";
constexpr int64_t kMostTokenId = 1'000'000;
constexpr double kTolerance = 1e-4;

// A server of one model.
class Served {
 public:
  explicit Served(const std::string& folder) {
    config::ModelConfig config;
    config.path = folder;
    config.engine.device = TRANSEPT_TEST_DEVICE;
    config.engine.max_rows = 4;
    config.engine.kv_cache_mib = 8;
    config.engine.dtype = "float32";
    auto model = LoadModel(config);
    EXPECT_TRUE(model.ok()) << model.status();
    EXPECT_NE(model->tokenizer, nullptr);
    EXPECT_TRUE(models_.Add(*std::move(model)).ok());
    config::ServerConfig server_config;
    server_config.listen = "127.0.0.1:0";
    auto server = GrpcServer::Start(server_config, &models_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::Transept::NewStub(
        grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  }

  void ExpectOutput(const JsonView& expected) {
    v1::GenerateRequest request;
    request.mutable_source()->set_text(*expected["text"].AsString());
    request.set_source_language(*expected["source"].AsString());
    request.set_target_language(*expected["target"].AsString());
    request.mutable_options()->set_max_new_tokens(20);
    request.mutable_options()->set_repetition_penalty(3);
    v1::GenerateResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Generate(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.hypotheses(0).text(), *expected["output"].AsString())
        << request.ShortDebugString();
  }

  void ExpectScore(const JsonView& expected) {
    v1::ScoreRequest request;
    request.mutable_source()->set_text(*expected["text"].AsString());
    request.set_source_language(*expected["source"].AsString());
    request.set_target_language(*expected["target"].AsString());
    request.add_targets()->set_text(*expected["label_text"].AsString());
    SCOPED_TRACE(request.ShortDebugString());
    v1::ScoreResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Score(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    const v1::TargetScore& score = response.scores(0);
    const JsonView labels = expected["labels"], logprobs = expected["logprobs"];
    ASSERT_EQ(static_cast<size_t>(score.tokens().ids_size()), labels.size());
    for (int i = 0; i < score.tokens().ids_size(); ++i) {
      const auto at = static_cast<size_t>(i);
      EXPECT_EQ(score.tokens().ids(i), *labels[at].AsInt(0, kMostTokenId)) << "label " << i;
      const double logprob = *logprobs[at].AsDouble();
      EXPECT_NEAR(score.token_logprobs(i), logprob, kTolerance * std::max(1.0, std::abs(logprob)))
          << "label " << i;
    }
  }

 private:
  ModelRegistry models_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Transept::Stub> stub_;
};

class TranslationTest : public ::testing::TestWithParam<std::string> {};

// Expects each case of a file in the model's folder, which has no tokenizer: the file says which
// belong there.
void ForEachCase(const std::string& model_name, const std::string& file, size_t least_cases,
                 void (Served::*expect)(const JsonView& expected)) {
  const std::string model = kData + "translation/models/" + model_name;
  const auto runs = JsonDocument::ReadFile(model + file);
  ASSERT_TRUE(runs.ok()) << runs.status();
  for (size_t i = 0; i < runs->root().size(); ++i) {
    const JsonView tokenizers = runs->root()[i]["tokenizers"], cases = runs->root()[i]["cases"];
    ASSERT_GE(tokenizers.size(), 1u);
    ASSERT_GE(cases.size(), least_cases);
    for (size_t j = 0; j < tokenizers.size(); ++j) {
      SCOPED_TRACE(*tokenizers[j].AsString());
      const test::TempFolder folder;
      std::filesystem::copy(model, folder.path());
      std::filesystem::copy(kData + *tokenizers[j].AsString(), folder.path());
      Served served(folder.path());
      for (size_t k = 0; k < cases.size(); ++k) (served.*expect)(cases[k]);
    }
  }
}

TEST_P(TranslationTest, TextIsThatOfTransformers) {
  ForEachCase(GetParam(), "/cases.json", 8, &Served::ExpectOutput);
}

TEST_P(TranslationTest, ScoresOfTextAreThoseOfItsLabels) {
  ForEachCase(GetParam(), "/scores.json", 3, &Served::ExpectScore);
}

INSTANTIATE_TEST_SUITE_P(Models, TranslationTest,
                         ::testing::Values("marian", "marian_separate", "nllb", "m2m100", "mbart",
                                           "mbart50", "plbart", "plbart_multi", "pegasus", "bart",
                                           "blenderbot", "t5", "byt5", "madlad"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept::server
