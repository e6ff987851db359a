// `transept`, the command-line client.
#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include <iostream>

#include "client/commands.h"

int main(int argc, char** argv) {
  // Of text that is not UTF-8 the server's error is enough.
  google::protobuf::SetLogHandler(nullptr);
  const transept::client::Terminal terminal{
      .in = std::cin, .out = std::cout, .err = std::cerr, .progress = isatty(STDERR_FILENO) != 0};
  return transept::client::Run({argv + 1, argv + argc}, terminal);
}
