#include "client/lines.h"

#include <algorithm>
#include <cstdint>
#include <fstream>

#include "client/in_order.h"
#include "client/output.h"
#include "client/progress.h"

namespace transept::client {
namespace {

int64_t CountLines(std::istream& in) {
  int64_t lines = 0;
  for (std::string source; std::getline(in, source);) ++lines;
  in.clear();
  in.seekg(0);
  return lines;
}

ExitCode AnswerStream(const CommandLine& line, const Terminal& terminal, std::istream& in,
                      std::optional<int64_t> total,
                      const std::function<LineAnswer(const std::string& source)>& ask) {
  ExitCode exit_code = kOk;
  Progress progress(terminal.progress && !line.stream ? &terminal.err : nullptr, total);
  auto next = [&](std::string* source) { return static_cast<bool>(std::getline(in, *source)); };
  auto deliver = [&](const LineAnswer& answer) {
    progress.Step();
    if (!answer.status.ok()) {
      Report(answer.status, line, terminal);
      exit_code = std::max(exit_code, ExitCodeOf(answer.status));
      if (!line.json && !line.stream) terminal.out << "\n";
      return exit_code != kUnavailable;
    }
    if (answer.text) terminal.out << *answer.text << std::endl;
    return static_cast<bool>(terminal.out);
  };
  InOrder<std::string, LineAnswer>(line.stream ? 1 : line.concurrency, {next, ask, deliver}).Run();
  return exit_code;
}

}  // namespace

void Report(const grpc::Status& status, const CommandLine& line, const Terminal& terminal) {
  if (line.json) terminal.out << ErrorJson(status) << "\n";
  terminal.err << "transept: " << Describe(status) << "\n";
}

ExitCode AnswerLines(const CommandLine& line, const Terminal& terminal,
                     const std::function<LineAnswer(const std::string& source)>& ask) {
  if (*line.file == "-") return AnswerStream(line, terminal, terminal.in, std::nullopt, ask);
  std::ifstream file(*line.file, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    if (file.eof()) return kOk;
    terminal.err << "transept: can't read " << *line.file << "\n";
    return kFileError;
  }
  std::optional<int64_t> total;
  if (terminal.progress) total = CountLines(file);
  return AnswerStream(line, terminal, file, total, ask);
}

}  // namespace transept::client
