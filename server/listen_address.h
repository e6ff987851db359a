// Whether there is an address to serve on, before anything is loaded.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace transept::server {

// OK if a socket can be bound to `listen`, HOST:PORT, now; else UNAVAILABLE with the system's
// reason.
absl::Status CheckListenAddress(const std::string& listen);

}  // namespace transept::server
