// How answers are written.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <string>

#include "transept/v1/transept.pb.h"

namespace transept::client {

// `message` as one line of JSON, with the proto's field names. Zeros and empty texts are written,
// unset messages and unset options are not.
std::string ToJson(const google::protobuf::Message& message);

// A failure as one line of JSON: {"error": {"code": ..., "message": ...}}.
std::string ErrorJson(const grpc::Status& status);

// What to show of a hypothesis: its text, or its token ids if it comes from a model without a
// tokenizer.
std::string Shown(const v1::Hypothesis& hypothesis);

// All hypotheses in one line: line breaks as \n, tabs between hypotheses.
std::string OneLine(const v1::GenerateResponse& response);

}  // namespace transept::client
