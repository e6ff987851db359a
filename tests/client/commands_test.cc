// The commands against a small service in the same process.
#include "client/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::client {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

grpc::Status WithDetail(grpc::StatusCode code, const std::string& message,
                        const google::protobuf::Message& detail) {
  google::rpc::Status status;
  status.set_code(code);
  status.add_details()->PackFrom(detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

// Answers "x" with "[x]", and fails as its members say.
class FakeTransept : public v1::Transept::Service {
 public:
  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                        v1::GenerateResponse* response) override {
    const std::string& text = request->source().text();
    ++calls;
    // The first of several lines takes longest.
    if (text == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (text == "bad") return BadRequest();
    if (failures-- > 0) return failure;
    *response = Answer(*request);
    return grpc::Status::OK;
  }

  grpc::Status GenerateStream(grpc::ServerContext*, const v1::GenerateRequest* request,
                              grpc::ServerWriter<v1::GenerateChunk>* writer) override {
    ++calls;
    const v1::GenerateResponse answer = Answer(*request);
    if (failures > 0 && !fail_late) {
      --failures;
      return failure;
    }
    for (const char letter : answer.hypotheses(0).text()) {
      v1::GenerateChunk chunk;
      chunk.set_text(std::string(1, letter));
      writer->Write(chunk);
      if (failures > 0) {
        --failures;
        return failure;
      }
    }
    v1::GenerateChunk last;
    *last.mutable_final() = answer;
    writer->Write(last);
    return grpc::Status::OK;
  }

  // A target's score is its length; each byte of a source is a state.
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    ++calls;
    score_request = *request;
    if (request->source().text() == "bad") return BadRequest();
    for (const v1::Input& target : request->targets()) {
      response->add_scores()->set_score(-0.5f * static_cast<float>(target.text().size()));
    }
    return grpc::Status::OK;
  }

  grpc::Status Encode(grpc::ServerContext*, const v1::EncodeRequest* request,
                      v1::EncodeResponse* response) override {
    ++calls;
    encode_request = *request;
    for (const char letter : request->source().text()) {
      v1::Vector* state = response->add_states();
      state->add_values(letter);
      state->add_values(0.5f);
    }
    return grpc::Status::OK;
  }

  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    auto* model = response->add_models();
    model->set_name("demo");
    model->set_family("t5");
    model->set_max_source_tokens(512);
    model->set_max_new_tokens(256);
    return grpc::Status::OK;
  }

  grpc::Status Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override {
    for (const char letter : request->text()) response->mutable_tokens()->add_ids(letter);
    return grpc::Status::OK;
  }

  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  bool fail_late = false;
  // The last ones, of commands that make one call at a time.
  v1::ScoreRequest score_request;
  v1::EncodeRequest encode_request;
  grpc::Status failure{grpc::StatusCode::UNAVAILABLE, "loading"};

 private:
  static grpc::Status BadRequest() {
    google::rpc::BadRequest detail;
    auto* violation = detail.add_field_violations();
    violation->set_field("options.top_p");
    violation->set_description("2 is above 1");
    return WithDetail(grpc::StatusCode::INVALID_ARGUMENT, "bad request", detail);
  }

  static v1::GenerateResponse Answer(const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    const int hypotheses = std::max(1, request.options().num_return_sequences());
    for (int i = 0; i < hypotheses; ++i) {
      std::string text = absl::StrCat("[", request.source().text(), "]");
      if (i > 0) text.append(std::to_string(i));
      response.add_hypotheses()->set_text(text);
    }
    return response;
  }
};

class FakeHealth : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override {
    using grpc::health::v1::HealthCheckResponse;
    if (request->service() == "gone") return {grpc::StatusCode::NOT_FOUND, "unknown service"};
    response->set_status(request->service() == "ready" ? HealthCheckResponse::NOT_SERVING
                                                       : HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
};

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
  }

  ExitCode RunCommand(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    const ExitCode exit_code = client::Run(arguments, {in, out, err, progress_},
                                           server_->InProcessChannel(grpc::ChannelArguments()));
    out_ = out.str();
    err_ = err.str();
    return exit_code;
  }

  FakeTransept service_;
  FakeHealth health_;
  std::unique_ptr<grpc::Server> server_;
  bool progress_ = false;
  std::string out_;
  std::string err_;
};

TEST_F(CommandsTest, GeneratesFromText) {
  EXPECT_EQ(RunCommand({"generate", "--text", "a b"}), kOk);
  EXPECT_EQ(out_, "[a b]\n");
  EXPECT_EQ(RunCommand({"generate", "--text", "x", "--num-return-sequences", "2"}), kOk);
  EXPECT_EQ(out_, "[x]\n[x]1\n");
  EXPECT_EQ(RunCommand({"generate", "--json", "--text", "x"}), kOk);
  EXPECT_THAT(out_, HasSubstr("\"hypotheses\":[{\"text\":\"[x]\","));
  EXPECT_THAT(out_, AllOf(HasSubstr("\"score\":0,"), EndsWith("}\n")))
      << "scripts find every number and text, be it zero or empty";
  EXPECT_EQ(RunCommand({"generate", "--text", ""}), kOk);
  EXPECT_EQ(out_, "[]\n") << "it is for the server to say that a source is empty";
}

TEST_F(CommandsTest, KeepsTheOrderOfTheLines) {
  std::string input = "slow\n";
  std::string expected = "[slow]\n";
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&input, i, "\n");
    absl::StrAppend(&expected, "[", i, "]\n");
  }
  EXPECT_EQ(RunCommand({"generate", "-", "--concurrency", "16"}, input), kOk);
  EXPECT_EQ(out_, expected);
  EXPECT_EQ(err_, "");
}

TEST_F(CommandsTest, KeepsOneLineForEachLine) {
  EXPECT_EQ(RunCommand({"generate", "-"}, "a\n\nb"), kOk);
  EXPECT_EQ(out_, "[a]\n\n[b]\n");
  EXPECT_EQ(RunCommand({"generate", "-", "--num-return-sequences", "2"}, "a\nb\n"), kOk);
  EXPECT_EQ(out_, "[a]\t[a]1\n[b]\t[b]1\n");
}

TEST_F(CommandsTest, AFailedLineCostsItsOwnLineOnly) {
  EXPECT_EQ(RunCommand({"generate", "-"}, "a\nbad\nb\n"), kFailed);
  EXPECT_EQ(out_, "[a]\n\n[b]\n");
  EXPECT_THAT(err_, AllOf(HasSubstr("INVALID_ARGUMENT: bad request"),
                          HasSubstr("options.top_p: 2 is above 1")));
  EXPECT_EQ(RunCommand({"generate", "-", "--json"}, "bad\nb\n"), kFailed);
  EXPECT_THAT(out_, StartsWith("{\"error\":{\"code\":\"INVALID_ARGUMENT\""));
  EXPECT_THAT(out_, HasSubstr("[b]"));
}

TEST_F(CommandsTest, ReadsFiles) {
  const std::string path = ::testing::TempDir() + "/commands_test.txt";
  std::ofstream(path) << "a\nb\n";
  progress_ = true;
  EXPECT_EQ(RunCommand({"generate", "--file", path}), kOk);
  EXPECT_EQ(out_, "[a]\n[b]\n");
  EXPECT_EQ(RunCommand({"tokenize", "--file", path}), kOk);
  EXPECT_EQ(out_, "97\n98\n");
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_EQ(RunCommand({"generate", "--file", path}), kOk);
  EXPECT_EQ(out_, "");
  std::remove(path.c_str());
  EXPECT_EQ(RunCommand({"generate", "--file", path}), kFileError);
  EXPECT_EQ(RunCommand({"tokenize", "--file", path}), kFileError);
  EXPECT_EQ(RunCommand({"generate", "--file", ::testing::TempDir()}), kFileError);
}

TEST_F(CommandsTest, Streams) {
  EXPECT_EQ(RunCommand({"generate", "--stream", "--text", "ab"}), kOk);
  EXPECT_EQ(out_, "[ab]\n");
  EXPECT_EQ(RunCommand({"generate", "--stream", "-"}, "a\n\nb\n"), kOk);
  EXPECT_EQ(out_, "[a]\n\n[b]\n");
  EXPECT_EQ(RunCommand({"generate", "--stream", "--json", "--text", "a"}), kOk);
  EXPECT_THAT(out_, StartsWith("{\"hypothesis_index\":0,\"text\":\"[\"}\n"
                               "{\"hypothesis_index\":0,\"text\":\"a\"}\n"));
  EXPECT_THAT(out_, HasSubstr("\"final\":{"));
}

TEST_F(CommandsTest, TriesAgainWhileTheServerIsAway) {
  service_.failures = 2;
  EXPECT_EQ(RunCommand({"generate", "--text", "a"}), kOk);
  EXPECT_EQ(out_, "[a]\n");
  EXPECT_EQ(service_.calls, 3);
  service_.failures = 1;
  EXPECT_EQ(RunCommand({"generate", "--stream", "--text", "a"}), kOk);
  EXPECT_EQ(out_, "[a]\n");
  service_.failure = {grpc::StatusCode::CANCELLED, "reset while shutting down"};
  service_.failures = 1;
  EXPECT_EQ(RunCommand({"generate", "--text", "a"}), kOk);
}

TEST_F(CommandsTest, WaitsAsLongAsTheServerAsks) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_nanos(300'000'000);
  service_.failure = WithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full", info);
  service_.failures = 1;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(RunCommand({"generate", "--text", "a"}), kOk);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));
}

TEST_F(CommandsTest, GivesUpInTheEnd) {
  service_.failures = 1000;
  EXPECT_EQ(RunCommand({"generate", "--retries", "1", "--text", "a"}), kUnavailable);
  EXPECT_EQ(service_.calls, 2);
  EXPECT_THAT(err_, HasSubstr("UNAVAILABLE: loading"));
  EXPECT_EQ(RunCommand({"generate", "--timeout", "0.05", "--text", "a"}), kUnavailable);
  EXPECT_EQ(service_.calls, 3) << "no retry fits into the time";
}

TEST_F(CommandsTest, AServerThatIsAwayEndsTheRunOfLines) {
  service_.failures = 1'000'000;
  std::string input;
  for (int i = 0; i < 1000; ++i) input += "line\n";
  EXPECT_EQ(RunCommand({"generate", "-", "--retries", "0", "--concurrency", "2"}, input),
            kUnavailable);
  EXPECT_LT(service_.calls, 50);
}

TEST_F(CommandsTest, DoesNotRepeatWhatCouldNeverFitOrIsPartlyOut) {
  service_.failure = {grpc::StatusCode::RESOURCE_EXHAUSTED, "needs 100 blocks of 10"};
  service_.failures = 1;
  EXPECT_EQ(RunCommand({"generate", "--text", "a"}), kFailed);
  EXPECT_EQ(service_.calls, 1);
  service_.failure = {grpc::StatusCode::UNAVAILABLE, "going down"};
  service_.failures = 1;
  service_.fail_late = true;
  EXPECT_EQ(RunCommand({"generate", "--stream", "--text", "a"}), kUnavailable);
  EXPECT_EQ(service_.calls, 2);
}

TEST_F(CommandsTest, ListsModelsAndTokenizes) {
  EXPECT_EQ(RunCommand({"models"}), kOk);
  EXPECT_THAT(out_, StartsWith("demo\tt5\t"));
  EXPECT_THAT(out_, HasSubstr("\tsources up to 512 tokens, outputs up to 256\n"));
  EXPECT_EQ(RunCommand({"models", "--json"}), kOk);
  EXPECT_THAT(out_, StartsWith("{\"name\":\"demo\",\"family\":\"t5\","));
  EXPECT_EQ(RunCommand({"tokenize", "-"}, "ab\nc\n"), kOk);
  EXPECT_EQ(out_, "97 98\n99\n");
}

TEST_F(CommandsTest, Scores) {
  EXPECT_EQ(RunCommand({"score", "--text", "a b", "--target", "xy", "--target", "xyz", "--model",
                        "m", "--priority", "2", "--target-language", "de"}),
            kOk);
  EXPECT_EQ(out_, "-1\n-1.5\n");
  EXPECT_EQ(service_.score_request.model(), "m");
  EXPECT_EQ(service_.score_request.priority(), 2);
  EXPECT_EQ(service_.score_request.target_language(), "de");
  EXPECT_EQ(service_.score_request.source().text(), "a b");
  EXPECT_EQ(RunCommand({"score", "--json", "--text", "a", "--target", "x"}), kOk);
  EXPECT_THAT(out_, HasSubstr("\"score\":-0.5"));
  // A source and its targets in a line; those of the command line are everybody's.
  EXPECT_EQ(RunCommand({"score", "-", "--concurrency", "1"}, "a\txy\txyz\n\nbad\tx\nb\tx\n"),
            kFailed);
  EXPECT_EQ(out_, "-1\t-1.5\n\n\n-0.5\n");
  EXPECT_EQ(RunCommand({"score", "-", "--concurrency", "1", "--target", "xxxx"}, "a\nb\tx\n"), kOk);
  EXPECT_EQ(out_, "-2\n-0.5\t-2\n");
  EXPECT_EQ(RunCommand({"score", "--text", "a"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("--target"));
  EXPECT_EQ(RunCommand({"score", "--text", "a", "--target", "x", "--top-k", "3"}), kUsage);
}

TEST_F(CommandsTest, Encodes) {
  EXPECT_EQ(RunCommand({"encode", "--text", "ab", "--pooling", "last", "--normalize"}), kOk);
  EXPECT_EQ(out_, "97 0.5\n98 0.5\n");
  EXPECT_EQ(service_.encode_request.pooling(), v1::POOLING_LAST);
  EXPECT_TRUE(service_.encode_request.normalize());
  EXPECT_EQ(RunCommand({"encode", "-", "--concurrency", "1"}, "a\n\nbc\n"), kOk);
  EXPECT_EQ(out_, "97 0.5\n\n98 0.5\t99 0.5\n");
  EXPECT_EQ(service_.encode_request.pooling(), v1::POOLING_UNSPECIFIED);
  EXPECT_EQ(RunCommand({"encode", "--text", "a", "--pooling", "most"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("--pooling"));
}

TEST_F(CommandsTest, HealthIsYesOrNo) {
  EXPECT_EQ(RunCommand({"health"}), kOk);
  EXPECT_EQ(out_, "SERVING\n");
  EXPECT_EQ(RunCommand({"health", "--service", "ready"}), kFailed);
  EXPECT_EQ(out_, "NOT_SERVING\n");
  EXPECT_EQ(RunCommand({"health", "--service", "gone"}), kFailed);
  EXPECT_THAT(err_, HasSubstr("health of \"gone\": NOT_FOUND"));
  std::istringstream in;
  std::ostringstream out;
  EXPECT_EQ(client::Run({"health", "--address", "127.0.0.1:1"}, {in, out, out}), kFailed);
}

TEST_F(CommandsTest, UsageErrorsDoNotCall) {
  EXPECT_EQ(RunCommand({"generate", "--text", "a", "--top-k", "x"}), kUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("--top-k"), HasSubstr("--help")));
  EXPECT_EQ(service_.calls, 0);
  EXPECT_EQ(RunCommand({"--help"}), kOk);
  EXPECT_THAT(out_, HasSubstr("exit codes"));
  EXPECT_EQ(RunCommand({"--version"}), kOk);
  EXPECT_THAT(out_, StartsWith("transept "));
}

TEST_F(CommandsTest, OutputThatCannotBeWrittenIsAnError) {
  std::istringstream in("a\nb\n");
  std::ostringstream err;
  std::ofstream closed;
  EXPECT_EQ(client::Run({"generate", "-"}, {in, closed, err},
                        server_->InProcessChannel(grpc::ChannelArguments())),
            kFileError);
}

}  // namespace
}  // namespace transept::client
