#include "server/wire.h"

#include <map>
#include <string>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include "absl/strings/str_cat.h"
#include "engine/text/utf8.h"
#include "engine/types/errors.h"

namespace transept::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// The path of the first text among `fields`, read as a message of `type`, that is not UTF-8; "" if
// there is none.
std::string NotUtf8(const UnknownFieldSet& fields, const Descriptor& type) {
  std::map<int, int> counts;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    const FieldDescriptor* known = type.FindFieldByNumber(field.number());
    if (known == nullptr || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    std::string path = known->name();
    if (known->is_repeated()) absl::StrAppend(&path, "[", counts[field.number()]++, "]");
    const std::string& bytes = field.length_delimited();
    if (known->type() == FieldDescriptor::TYPE_STRING && !IsValidUtf8(bytes)) return path;
    UnknownFieldSet inner;
    if (known->type() != FieldDescriptor::TYPE_MESSAGE || !inner.ParseFromString(bytes)) continue;
    const std::string inner_path = NotUtf8(inner, *known->message_type());
    if (!inner_path.empty()) return absl::StrCat(path, ".", inner_path);
  }
  return "";
}

}  // namespace

absl::Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::Message* message) {
  if (!bytes.Valid()) return absl::CancelledError("the call ended before its request came");
  grpc::ByteBuffer shared = bytes;  // readers want to own it; no bytes are copied
  if (grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::Message>(&shared, message)
          .ok()) {
    return absl::OkStatus();
  }
  const Descriptor& type = *message->GetDescriptor();
  UnknownFieldSet fields;
  shared = bytes;
  grpc::ProtoBufferReader reader(&shared);
  if (fields.ParseFromZeroCopyStream(&reader)) {
    const std::string field = NotUtf8(fields, type);
    if (!field.empty()) return FieldError(field, "is not UTF-8");
  }
  return absl::InvalidArgumentError(absl::StrCat("the request is not a ", type.full_name()));
}

void Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* bytes) {
  bytes->Clear();  // the writer wants an empty one
  bool own_buffer;
  // Fails only for messages of 2 GiB, which no limit of ours lets come about.
  grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, bytes,
                                                                             &own_buffer);
}

}  // namespace transept::server
