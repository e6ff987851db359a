#include "server/wire.h"

#include <google/protobuf/message.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include "absl/strings/str_cat.h"

namespace transept::server {

absl::Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::Message* message) {
  grpc::ByteBuffer shared = bytes;  // the reader wants to own it; no bytes are copied
  if (grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::Message>(&shared, message)
          .ok()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the request is not a ",
                                                 message->GetDescriptor()->full_name(),
                                                 ", or has text that is not UTF-8"));
}

void Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* bytes) {
  bytes->Clear();  // the writer wants an empty one
  bool own_buffer;
  // Fails only for messages of 2 GiB, which no limit of ours lets come about.
  grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, bytes,
                                                                             &own_buffer);
}

}  // namespace transept::server
