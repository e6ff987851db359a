#include "client/lines.h"

#include <algorithm>
#include <cstdint>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/in_order.h"
#include "client/input.h"
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

// Asks for one line; does without a call for one that is empty or no text.
LineAnswer Answer(const std::string& source,
                  const std::function<LineAnswer(const std::string& source)>& ask) {
  if (source.empty()) return {};
  if (const auto place = FindNotUtf8(source)) {
    return Refusal(absl::InvalidArgumentError(absl::StrCat("byte ", *place + 1, " is not UTF-8")));
  }
  return ask(source);
}

// Writes the answers of a run, in order.
class Writer {
 public:
  Writer(const CommandLine& line, const Terminal& terminal) : line_(line), terminal_(terminal) {}

  // False ends the run.
  bool Write(const std::string& source, const LineAnswer& answer) {
    ++number_;
    if (!answer.status.ok()) return WriteFailure(answer);
    if (source.empty()) {
      if (line_.json) {
        terminal_.out << "{\"skipped\":\"the line is empty\",\"line\":" << number_ << "}";
      }
      terminal_.out << std::endl;
    } else if (answer.text) {
      terminal_.out << *answer.text << std::endl;
    }
    return static_cast<bool>(terminal_.out);
  }

  ExitCode exit_code() const { return exit_code_; }

 private:
  bool WriteFailure(const LineAnswer& answer) {
    Report(answer.status, line_, terminal_, number_);
    exit_code_ = std::max(exit_code_, ExitCodeOf(answer.status));
    if (IsAway(answer.status)) {
      terminal_.err << "transept: stopped at line " << number_ << "\n";
      return false;
    }
    if (!line_.json && !answer.begun) terminal_.out << std::endl;
    return static_cast<bool>(terminal_.out);
  }

  const CommandLine& line_;
  const Terminal& terminal_;
  int64_t number_ = 0;  // of the last line
  ExitCode exit_code_ = kOk;
};

ExitCode AnswerStream(const CommandLine& line, const Terminal& terminal, std::istream& in,
                      std::optional<int64_t> total,
                      const std::function<LineAnswer(const std::string& source)>& ask) {
  struct Answered {
    std::string source;
    LineAnswer answer;
  };
  Writer writer(line, terminal);
  Progress progress(terminal.progress && !line.stream ? &terminal.err : nullptr, total);
  auto next = [&](std::string* source) { return static_cast<bool>(std::getline(in, *source)); };
  auto work = [&](const std::string& source) { return Answered{source, Answer(source, ask)}; };
  auto deliver = [&](const Answered& answered) {
    progress.Step();
    return writer.Write(answered.source, answered.answer);
  };
  InOrder<std::string, Answered>(line.stream ? 1 : line.concurrency, {next, work, deliver}).Run();
  return writer.exit_code();
}

}  // namespace

LineAnswer Refusal(const absl::Status& status) {
  return {grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, std::string(status.message()))};
}

void Report(const grpc::Status& status, const CommandLine& line, const Terminal& terminal,
            std::optional<int64_t> number) {
  if (line.json) terminal.out << ErrorJson(status, number) << std::endl;
  terminal.err << "transept: ";
  if (number) terminal.err << "line " << *number << ": ";
  terminal.err << Describe(status) << "\n";
}

ExitCode ShowAnswer(const LineAnswer& answer, const CommandLine& line, const Terminal& terminal) {
  if (!answer.status.ok()) {
    Report(answer.status, line, terminal);
  } else if (answer.text) {
    terminal.out << *answer.text << "\n";
  }
  return ExitCodeOf(answer.status);
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
