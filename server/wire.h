// Between the bytes on the wire and messages. We do this instead of gRPC, which answers bytes that
// are not the message it expects with UNIMPLEMENTED and no word on why.
#pragma once

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace grpc {
class ByteBuffer;
}  // namespace grpc

namespace transept::server {

// INVALID_ARGUMENT if `bytes` are not a message of this type; FieldError for a text that is not
// UTF-8; CANCELLED if there are none, as when a client gives up before it has sent them.
absl::Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::Message* message);

// Replaces what `bytes` held.
void Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* bytes);

}  // namespace transept::server
