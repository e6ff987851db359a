#include "server/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace transept::server {
namespace {

// 0, or the errno of what failed. As gRPC binds, so that what is left of a server's connections is
// not in the way of the next.
int TryToBind(const addrinfo& address) {
  const int socket = ::socket(address.ai_family, address.ai_socktype, address.ai_protocol);
  if (socket < 0) return errno;
  const int on = 1;
  const bool bound = setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                     bind(socket, address.ai_addr, address.ai_addrlen) == 0;
  const int error = bound ? 0 : errno;
  close(socket);
  return error;
}

absl::Status CannotListen(const std::string& listen, const std::string& reason) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", listen, ": ", reason));
}

}  // namespace

absl::Status CheckListenAddress(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  const std::string port = listen.substr(colon + 1);
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host == "::") host = "0.0.0.0";  // gRPC makes do with IPv4 where it can't have both

  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &addresses); error != 0) {
    return CannotListen(listen, gai_strerror(error));
  }
  int error = 0;
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    error = TryToBind(*address);
    if (error == 0) break;
  }
  freeaddrinfo(addresses);
  if (error == 0) return absl::OkStatus();
  return CannotListen(listen, std::generic_category().message(error));
}

}  // namespace transept::server
