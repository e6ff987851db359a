// A unary call that one function answers on a worker.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/call_services.h"

namespace transept::server {

// Returns the call's reactor, which deletes itself. `work` fills the response; it runs at most
// once, and not at all if the pool is full or the client has gone.
grpc::ServerUnaryReactor* StartWorkerCall(const CallServices& services,
                                          grpc::CallbackServerContext* context,
                                          absl::AnyInvocable<absl::Status()> work);

}  // namespace transept::server
