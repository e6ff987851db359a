// The service transept.v1.Transept.
#pragma once

#include <memory>

#include "server/call_services.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace transept::server {

// `services` must outlive the service, and the service the gRPC server it is registered with.
std::unique_ptr<grpc::Service> NewTranseptService(const CallServices& services);

}  // namespace transept::server
