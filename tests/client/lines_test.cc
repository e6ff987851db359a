// Commands over many lines.
#include "client/lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "tests/client/commands_fixture.h"

namespace transept::client {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using LinesTest = CommandsTest;

TEST_F(LinesTest, KeepsTheOrderOfTheLines) {
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

TEST_F(LinesTest, KeepsOneLineForEachLine) {
  EXPECT_EQ(RunCommand({"generate", "-"}, "a\n\nb"), kOk);
  EXPECT_EQ(out_, "[a]\n\n[b]\n");
  EXPECT_EQ(RunCommand({"generate", "-", "--num-return-sequences", "2"}, "a\nb\n"), kOk);
  EXPECT_EQ(out_, "[a]\t[a]1\n[b]\t[b]1\n");
}

TEST_F(LinesTest, AFailedLineCostsItsOwnLineOnly) {
  EXPECT_EQ(RunCommand({"generate", "-"}, "a\nbad\nb\n"), kFailed);
  EXPECT_EQ(out_, "[a]\n\n[b]\n");
  EXPECT_THAT(err_, AllOf(HasSubstr("transept: line 2: INVALID_ARGUMENT: bad request"),
                          HasSubstr("options.top_p: 2 is above 1")));
  EXPECT_EQ(RunCommand({"generate", "-", "--json"}, "bad\nb\n"), kFailed);
  EXPECT_THAT(out_, StartsWith("{\"error\":{\"code\":\"INVALID_ARGUMENT\","
                               "\"message\":\"bad request\"},\"line\":1}\n"));
  EXPECT_THAT(out_, HasSubstr("[b]"));
}

TEST_F(LinesTest, WhatIsNoTextCostsNoCall) {
  EXPECT_EQ(RunCommand({"generate", "-"}, "\xc3\xa9\na\xff\nb\n"), kFailed);
  EXPECT_EQ(out_, "[\xc3\xa9]\n\n[b]\n");
  EXPECT_EQ(err_, "transept: line 2: INVALID_ARGUMENT: byte 2 is not UTF-8\n");
  EXPECT_EQ(service_.calls, 2);
}

TEST_F(LinesTest, AnEmptyLineIsSkipped) {
  EXPECT_EQ(RunCommand({"generate", "-", "--json"}, "\nb\n"), kOk);
  EXPECT_THAT(out_, StartsWith("{\"skipped\":\"the line is empty\",\"line\":1}\n"));
  EXPECT_EQ(RunCommand({"tokenize", "-"}, "\nb\n"), kOk);
  EXPECT_EQ(out_, "\n98\n");
}

TEST_F(LinesTest, ABusyServerCostsTheLineAlone) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_nanos(1'000'000);
  service_.failure = WithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full", info);
  service_.failures = 1;
  EXPECT_EQ(RunCommand({"generate", "-", "--retries", "0", "--concurrency", "1"}, "a\nb\n"),
            kUnavailable);
  EXPECT_EQ(out_, "\n[b]\n");
  EXPECT_EQ(err_, "transept: line 1: RESOURCE_EXHAUSTED: queue full\n");
}

TEST_F(LinesTest, AServerThatIsAwayEndsTheRunOfLines) {
  service_.failures = 1'000'000;
  std::string input;
  for (int i = 0; i < 1000; ++i) input += "line\n";
  EXPECT_EQ(RunCommand({"generate", "-", "--retries", "0", "--concurrency", "2"}, input),
            kUnavailable);
  EXPECT_LT(service_.calls, 50);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, EndsWith("transept: line 1: UNAVAILABLE: loading\n"
                             "transept: stopped at line 1\n"));
}

TEST_F(LinesTest, ReadsFiles) {
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

TEST_F(LinesTest, OutputThatCannotBeWrittenIsAnError) {
  std::istringstream in("a\nb\n");
  std::ostringstream err;
  std::ofstream closed;
  EXPECT_EQ(client::Run({"generate", "-"}, {in, closed, err},
                        server_->InProcessChannel(grpc::ChannelArguments())),
            kFileError);
}

}  // namespace
}  // namespace transept::client
