// Commands that answer one source or many, a line each.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/command_line.h"
#include "client/commands.h"

namespace transept::client {

// What came of one source.
struct LineAnswer {
  grpc::Status status;
  std::optional<std::string> text = std::nullopt;  // to write; nothing: it is out already
  bool begun = false;  // of a failure: part of an answer is out, its line ended
};

// The answer to what the client itself can tell to be wrong.
LineAnswer Refusal(const absl::Status& status);

// Writes why a call failed, with --json as an answer too. `number` is the line's, if it came from
// one.
void Report(const grpc::Status& status, const CommandLine& line, const Terminal& terminal,
            std::optional<int64_t> number = std::nullopt);

// Writes the answer to --text.
ExitCode ShowAnswer(const LineAnswer& answer, const CommandLine& line, const Terminal& terminal);

// Calls `ask`, from several threads at once, for each line of --file or the standard input that is
// not empty, and writes the answers in the order of the lines. A request that fails costs its own
// line; a server that is away ends the run.
ExitCode AnswerLines(const CommandLine& line, const Terminal& terminal,
                     const std::function<LineAnswer(const std::string& source)>& ask);

}  // namespace transept::client
