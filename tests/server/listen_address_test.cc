#include "server/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace transept::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string ErrorOf(const std::string& listen) {
  const absl::Status status = CheckListenAddress(listen);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  return std::string(status.message());
}

TEST(ListenAddress, TakesWhatCanBeBound) {
  for (const char* listen : {"127.0.0.1:0", "0.0.0.0:0", "localhost:0", "[::]:0"}) {
    EXPECT_TRUE(CheckListenAddress(listen).ok()) << CheckListenAddress(listen);
  }
}

TEST(ListenAddress, SaysThatAPortIsInUse) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(socket, generic, size), 0);
  ASSERT_EQ(listen(socket, 1), 0);
  ASSERT_EQ(getsockname(socket, generic, &size), 0);
  const std::string taken = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  EXPECT_EQ(ErrorOf(taken), absl::StrCat("cannot listen on ", taken, ": Address already in use"));
  close(socket);
  EXPECT_TRUE(CheckListenAddress(taken).ok());
}

TEST(ListenAddress, SaysWhatElseIsWrong) {
  EXPECT_EQ(ErrorOf("192.0.2.1:0"),  // of no machine
            "cannot listen on 192.0.2.1:0: Cannot assign requested address");
  EXPECT_THAT(ErrorOf("no host:0"),
              AllOf(StartsWith("cannot listen on no host:0: "), Not(HasSubstr("\n"))));
  // Brackets are not part of a host's name.
  EXPECT_EQ(ErrorOf("[2001:db8::1]:0").find("known"), std::string::npos);
}

}  // namespace
}  // namespace transept::server
