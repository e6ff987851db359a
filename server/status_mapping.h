// The one place where an absl::Status becomes what a client sees.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace grpc {
class ServerContextBase;
class Status;
}  // namespace grpc

namespace transept::server {

// The gRPC status for `status`, with google.rpc details: ErrorInfo (domain "transept", the reasons
// that transept.proto lists, the request id), BadRequest if the status is a FieldError, RetryInfo
// if it has a retry delay. The delay goes into the trailer grpc-retry-pushback-ms of `context` too.
//
// INTERNAL, and any code that the contract does not know, is logged with the request id, and the
// client gets the id in place of the message.
grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view request_id,
                          grpc::ServerContextBase* context);

}  // namespace transept::server
