#include "server/call_log.h"

#include <chrono>
#include <memory>
#include <sstream>
#include <string>

#include <grpcpp/support/status.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "transept/v1/transept.pb.h"

namespace transept::server {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

class CallLogTest : public testing::Test {
 protected:
  CallLogTest() {
    auto logger = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~CallLogTest() override { spdlog::set_default_logger(before_); }

  // What was written since the last time.
  std::string Written() {
    std::string text = text_.str();
    text_.str("");
    return text;
  }

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream text_;
  CallLog log_;
};

TEST_F(CallLogTest, ASuccessIsOneLineOfDebug) {
  v1::Usage usage;
  usage.set_source_tokens(12);
  usage.set_generated_tokens(9);
  v1::Timings timings;
  timings.set_queue_ms(0.42);
  const EndedCall call = {.method = "Generate",
                          .request_id = "a-1",
                          .model = "my model",
                          .total_ms = 31.06,
                          .usage = &usage,
                          .timings = &timings};
  log_.Write(call, grpc::Status::OK);
  EXPECT_EQ(Written(), "");
  spdlog::set_level(spdlog::level::debug);
  log_.Write(call, grpc::Status::OK);
  EXPECT_EQ(Written(),
            "debug call method=Generate request_id=a-1 model=\"my model\" code=OK source_tokens=12 "
            "generated_tokens=9 queue_ms=0.4 total_ms=31.1\n");
}

TEST_F(CallLogTest, AFailureIsNamedAndCannotForgeLines) {
  log_.Write({.method = "Score", .request_id = "b", .total_ms = 1},
             {StatusCode::INVALID_ARGUMENT, "it's \"x\"\ny"});
  EXPECT_EQ(Written(),
            "info call method=Score request_id=b code=INVALID_ARGUMENT total_ms=1.0 "
            "message=\"it's \\\"x\\\"\\ny\"\n");
  log_.Write({.method = "Score"}, {StatusCode::RESOURCE_EXHAUSTED, "full"});
  EXPECT_EQ(Written(), "warning call method=Score code=RESOURCE_EXHAUSTED message=full\n");
}

TEST_F(CallLogTest, AFloodOfFailuresIsCutShort) {
  const TimePoint start{};
  const grpc::Status failure(StatusCode::UNAVAILABLE, "draining");
  for (int i = 0; i < CallLog::kFailuresPerSecond; ++i) {
    log_.Write({.method = "Generate"}, failure, start);
    EXPECT_THAT(Written(), Not(HasSubstr("left_out")));
  }
  for (int i = 0; i < 7; ++i) log_.Write({.method = "Generate"}, failure, start);
  EXPECT_EQ(Written(), "");
  log_.Write({.method = "Generate"}, failure, start + std::chrono::seconds(1));
  EXPECT_THAT(Written(), HasSubstr("message=draining failures_left_out=7\n"));
  log_.Write({.method = "Generate"}, failure, start + std::chrono::seconds(1));
  EXPECT_THAT(Written(), Not(HasSubstr("left_out")));
}

}  // namespace
}  // namespace transept::server
