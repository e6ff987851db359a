// The fields of a GenerateRequest, its options and its output options as command-line flags. They
// are found in the message descriptors: an option added to the proto is a flag without a line here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "transept/v1/transept.pb.h"

namespace transept::client {

class RequestField {
 public:
  // The field called `name` in the proto, if it can be a flag.
  static std::optional<RequestField> Find(std::string_view name);

  // Whether the flag means "true" without a value.
  bool is_switch() const;

  // Sets the field from text. Lists of ids take "1,2,3" or "1 2 3"; lists of strings get one more
  // element; enums take "never" as well as the full name; other messages are written as JSON.
  absl::Status Set(const std::string& text, v1::GenerateRequest* request) const;

 private:
  friend std::string RequestFieldsHelp();

  // `owner` is the field of GenerateRequest that `field` is in, or null for one of its own.
  RequestField(const google::protobuf::FieldDescriptor* owner,
               const google::protobuf::FieldDescriptor* field)
      : owner_(owner), field_(field) {}

  std::string ArgumentName() const;

  const google::protobuf::FieldDescriptor* owner_;
  const google::protobuf::FieldDescriptor* field_;
};

// All flags with their kinds of value, several a line.
std::string RequestFieldsHelp();

}  // namespace transept::client
