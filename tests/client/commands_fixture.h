// The client's commands against a small service in the same process.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "client/commands.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/client/fake_transept.h"

namespace transept::client {

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

}  // namespace transept::client
