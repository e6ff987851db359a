// The commands of the program, one function each.
#pragma once

#include <istream>
#include <memory>
#include <ostream>

#include "client/command_line.h"
#include "client/connection.h"

namespace transept::client {

// Where a command reads and writes.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool progress = false;  // whether `err` is a terminal, for a progress bar
};

ExitCode Generate(const CommandLine& line, const Connection& server, const Terminal& terminal);
ExitCode Models(const CommandLine& line, const Connection& server, const Terminal& terminal);
ExitCode Tokenize(const CommandLine& line, const Connection& server, const Terminal& terminal);
ExitCode Detokenize(const CommandLine& line, const Connection& server, const Terminal& terminal);
ExitCode Score(const CommandLine& line, const Connection& server, const Terminal& terminal);
ExitCode Encode(const CommandLine& line, const Connection& server, const Terminal& terminal);
ExitCode Health(const CommandLine& line, const Connection& server, const Terminal& terminal);

// Reads the arguments after the program's name and runs the command that they name, at their
// --address or, if `channel` is given, there.
ExitCode Run(const std::vector<std::string>& arguments, const Terminal& terminal,
             std::shared_ptr<grpc::Channel> channel = nullptr);

}  // namespace transept::client
