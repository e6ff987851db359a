#include "client/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "tests/client/commands_fixture.h"

namespace transept::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

TEST_F(CommandsTest, Streams) {
  EXPECT_EQ(RunCommand({"generate", "--stream", "--text", "ab"}), kOk);
  EXPECT_EQ(out_, "[ab]\n");
  EXPECT_EQ(RunCommand({"generate", "--stream", "-"}, "a\n\nb\n"), kOk);
  EXPECT_EQ(out_, "[a]\n\n[b]\n");
  EXPECT_EQ(RunCommand({"generate", "--stream", "--json", "--text", "a"}), kOk);
  EXPECT_THAT(out_, StartsWith("{\"hypothesis_index\":0,\"text\":\"[\"}\n"
                               "{\"hypothesis_index\":0,\"text\":\"a\"}\n"));
  EXPECT_THAT(out_, HasSubstr("\"final\":{"));
  service_.failure = {grpc::StatusCode::RESOURCE_EXHAUSTED, "too large"};
  service_.failures = 1;
  EXPECT_EQ(RunCommand({"generate", "--stream", "--text", "ab"}), kFailed);
  EXPECT_EQ(out_, "");
  for (const bool late : {false, true}) {
    service_.fail_late = late;
    service_.failures = 1;
    EXPECT_EQ(RunCommand({"generate", "--stream", "-"}, "ab\nc\n"), kFailed);
    EXPECT_EQ(out_, late ? "[\n[c]\n" : "\n[c]\n");
  }
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
  EXPECT_EQ(RunCommand({"tokenize", "--text", "ab", "--source-language", "en"}), kOk);
  EXPECT_EQ(service_.tokenize_language, "en");
  EXPECT_EQ(RunCommand({"detokenize", "--text", "97,10,98"}), kOk);
  EXPECT_EQ(out_, "a\nb\n");
  EXPECT_EQ(RunCommand({"detokenize", "-"}, "97 10 98\n9x\n99\n"), kFailed);
  EXPECT_EQ(out_, "a\\nb\n\nc\n");
  EXPECT_THAT(err_, StartsWith("transept: line 2: INVALID_ARGUMENT: \"9x\" is no token id"));
}

TEST_F(CommandsTest, SendsIds) {
  EXPECT_EQ(RunCommand({"encode", "--ids", "--text", "5,6"}), kOk);
  EXPECT_THAT(service_.encode_request.source().tokens().ids(), ElementsAre(5, 6));
  EXPECT_EQ(RunCommand({"score", "--ids", "-", "--target", "9"}, "5 6\t7 8\n"), kOk);
  EXPECT_THAT(service_.score_request.source().tokens().ids(), ElementsAre(5, 6));
  ASSERT_EQ(service_.score_request.targets_size(), 2);
  EXPECT_THAT(service_.score_request.targets(0).tokens().ids(), ElementsAre(7, 8));
  EXPECT_THAT(service_.score_request.targets(1).tokens().ids(), ElementsAre(9));
  EXPECT_EQ(RunCommand({"generate", "--ids", "--text", "5,b"}), kFailed);
  EXPECT_THAT(err_, HasSubstr("\"b\" is no token id"));
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
  EXPECT_EQ(client::Run({"health", "--address", "127.0.0.1:1"}, {in, out, out}), kUnavailable);
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

}  // namespace
}  // namespace transept::client
