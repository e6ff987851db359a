// A unary call that one function answers on a worker.
#pragma once

#include <string_view>

#include <grpcpp/support/server_callback.h>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/call_services.h"

namespace transept::server {

// Returns the call's reactor, which deletes itself. `work` fills the response; it runs at most
// once, and not at all if the pool is full or the client has gone. `method` and `model` are names
// for the log, which outlive the call.
grpc::ServerUnaryReactor* StartWorkerCall(const CallServices& services,
                                          grpc::CallbackServerContext* context,
                                          std::string_view method, std::string_view model,
                                          absl::AnyInvocable<absl::Status()> work);

}  // namespace transept::server
