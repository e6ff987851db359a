// How answers are written.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <optional>
#include <string>

#include "transept/v1/transept.pb.h"

namespace transept::client {

// `message` as one line of JSON, with the proto's field names. Zeros and empty texts are written,
// unset messages and unset options are not.
std::string ToJson(const google::protobuf::Message& message);

// A failure as one line of JSON: {"error": {"code": ..., "message": ...}}, with the number of the
// line at fault, if there is one, as "line" beside "error".
std::string ErrorJson(const grpc::Status& status, std::optional<int64_t> line);

// What to show of a hypothesis: its text, or its token ids if it comes from a model without a
// tokenizer.
std::string Shown(const v1::Hypothesis& hypothesis);

// `text` with its line breaks as \n.
std::string OneLine(const std::string& text);

// All hypotheses in one line: line breaks as \n, tabs between hypotheses.
std::string OneLine(const v1::GenerateResponse& response);

}  // namespace transept::client
