#include "server/wire.h"

#include <gtest/gtest.h>

#include <grpcpp/support/byte_buffer.h>

#include "transept/v1/transept.pb.h"

namespace transept::server {
namespace {

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

TEST(Wire, MessagesSurvive) {
  v1::GenerateRequest request, read;
  request.mutable_source()->set_text("so");
  grpc::ByteBuffer bytes;
  Serialize(request, &bytes);
  ASSERT_TRUE(Parse(bytes, &read).ok());
  EXPECT_EQ(read.source().text(), "so");
  EXPECT_TRUE(Parse(Bytes(""), &read).ok());  // a message without fields
}

TEST(Wire, WhatIsNoMessageIsRefused) {
  v1::GenerateRequest request;
  const absl::Status status = Parse(Bytes("\x1a\xff"), &request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "the request is not a transept.v1.GenerateRequest");
}

TEST(Wire, NoBytesAreACallThatWasCancelled) {
  v1::GenerateRequest request;
  EXPECT_EQ(Parse(grpc::ByteBuffer(), &request).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace transept::server
