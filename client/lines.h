// Commands that answer one source or many, a line each.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <optional>
#include <string>

#include "client/command_line.h"
#include "client/commands.h"

namespace transept::client {

// What came of one line.
struct LineAnswer {
  grpc::Status status;
  std::optional<std::string> text;  // to write; nothing: it is out already
};

// Writes why a call failed, with --json as an answer too.
void Report(const grpc::Status& status, const CommandLine& line, const Terminal& terminal);

// Calls `ask`, from several threads at once, for each line of --file or the standard input, and
// writes the answers in the order of the lines. A request that fails costs its own line; a server
// that is not there ends the run.
ExitCode AnswerLines(const CommandLine& line, const Terminal& terminal,
                     const std::function<LineAnswer(const std::string& source)>& ask);

}  // namespace transept::client
