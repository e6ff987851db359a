// `transept generate`: one source or many, unary or streamed.
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "client/commands.h"
#include "client/in_order.h"
#include "client/output.h"
#include "client/progress.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::client {
namespace {

// What came of one source.
struct Answer {
  grpc::Status status;
  v1::GenerateResponse response;
};

class Generator {
 public:
  Generator(const CommandLine& line, const Connection& server, const Terminal& terminal)
      : line_(line),
        server_(server),
        stub_(v1::Transept::NewStub(server.channel())),
        terminal_(terminal) {}

  // One call for `source`. Thread-safe.
  Answer Ask(const std::string& source) const {
    Answer answer;
    const v1::GenerateRequest request = RequestFor(source);
    answer.status = server_.Call([&](grpc::ClientContext* context, bool*) {
      return stub_->Generate(context, request, &answer.response);
    });
    return answer;
  }

  // The same, writing the output while it grows.
  Answer Stream(const std::string& source) const {
    Answer answer;
    const v1::GenerateRequest request = RequestFor(source);
    answer.status = server_.Call([&](grpc::ClientContext* context, bool* final) {
      std::unique_ptr<grpc::ClientReader<v1::GenerateChunk>> reader =
          stub_->GenerateStream(context, request);
      v1::GenerateChunk chunk;
      while (reader->Read(&chunk)) {
        *final = true;
        Write(chunk);
        if (chunk.has_final()) answer.response = std::move(*chunk.mutable_final());
      }
      return reader->Finish();
    });
    if (!line_.json) WriteRest(answer.response);
    return answer;
  }

  // Answers an empty line without a call.
  Answer Skip() const {
    if (line_.stream && !line_.json) terminal_.out << std::endl;
    return Answer();
  }

  void Report(const grpc::Status& status) const {
    if (line_.json) terminal_.out << ErrorJson(status) << "\n";
    terminal_.err << "transept: " << Describe(status) << "\n";
  }

 private:
  v1::GenerateRequest RequestFor(const std::string& source) const {
    v1::GenerateRequest request = line_.request;
    request.mutable_source()->set_text(source);
    return request;
  }

  // As text, only the first hypothesis can be shown while it grows.
  void Write(const v1::GenerateChunk& chunk) const {
    if (line_.json) {
      terminal_.out << ToJson(chunk) << "\n";
    } else if (chunk.hypothesis_index() == 0) {
      terminal_.out << chunk.text();
    }
    terminal_.out << std::flush;
  }

  // Ends the line of the first hypothesis and adds the others.
  void WriteRest(const v1::GenerateResponse& response) const {
    if (response.hypotheses_size() > 0 && response.hypotheses(0).text().empty()) {
      terminal_.out << Shown(response.hypotheses(0));
    }
    terminal_.out << "\n";
    for (int i = 1; i < response.hypotheses_size(); ++i) {
      terminal_.out << Shown(response.hypotheses(i)) << "\n";
    }
    terminal_.out << std::flush;
  }

  const CommandLine& line_;
  const Connection& server_;
  const std::unique_ptr<v1::Transept::Stub> stub_;
  const Terminal& terminal_;
};

ExitCode GenerateOne(const CommandLine& line, const Generator& generator,
                     const Terminal& terminal) {
  const Answer answer = line.stream ? generator.Stream(*line.text) : generator.Ask(*line.text);
  if (!answer.status.ok()) {
    generator.Report(answer.status);
    return ExitCodeOf(answer.status);
  }
  if (line.stream) return kOk;
  if (line.json) {
    terminal.out << ToJson(answer.response) << "\n";
  } else {
    for (const v1::Hypothesis& hypothesis : answer.response.hypotheses()) {
      terminal.out << Shown(hypothesis) << "\n";
    }
  }
  return kOk;
}

// One answer a line, in the order of the lines; an empty line is answered with one. A request that
// fails costs its own line; a server that is not there ends the run.
ExitCode GenerateLines(const CommandLine& line, const Generator& generator, std::istream& in,
                       std::optional<int64_t> total, const Terminal& terminal) {
  ExitCode exit_code = kOk;
  Progress progress(terminal.progress && !line.stream ? &terminal.err : nullptr, total);
  auto next = [&](std::string* source) { return static_cast<bool>(std::getline(in, *source)); };
  auto work = [&](const std::string& source) {
    if (source.empty()) return generator.Skip();
    return line.stream ? generator.Stream(source) : generator.Ask(source);
  };
  auto deliver = [&](const Answer& answer) {
    progress.Step();
    if (!answer.status.ok()) {
      generator.Report(answer.status);
      exit_code = std::max(exit_code, ExitCodeOf(answer.status));
      if (!line.json && !line.stream) terminal.out << "\n";
      return exit_code != kUnavailable;
    }
    if (!line.stream) {
      terminal.out << (line.json ? ToJson(answer.response) : OneLine(answer.response)) << std::endl;
    }
    return static_cast<bool>(terminal.out);
  };
  InOrder<std::string, Answer>(line.stream ? 1 : line.concurrency, {next, work, deliver}).Run();
  return exit_code;
}

int64_t CountLines(std::istream& in) {
  int64_t lines = 0;
  for (std::string source; std::getline(in, source);) ++lines;
  in.clear();
  in.seekg(0);
  return lines;
}

}  // namespace

ExitCode Generate(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const Generator generator(line, server, terminal);
  if (line.text.has_value()) return GenerateOne(line, generator, terminal);
  if (*line.file == "-") {
    return GenerateLines(line, generator, terminal.in, std::nullopt, terminal);
  }
  std::ifstream file(*line.file, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    if (file.eof()) return kOk;
    terminal.err << "transept: can't read " << *line.file << "\n";
    return kFileError;
  }
  std::optional<int64_t> total;
  if (terminal.progress) total = CountLines(file);
  return GenerateLines(line, generator, file, total, terminal);
}

}  // namespace transept::client
