// `transept generate`: one source or many, unary or streamed.
#include <memory>
#include <optional>
#include <string>

#include "client/commands.h"
#include "client/lines.h"
#include "client/output.h"
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
    Report(answer.status, line, terminal);
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

}  // namespace

ExitCode Generate(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const Generator generator(line, server, terminal);
  if (line.text.has_value()) return GenerateOne(line, generator, terminal);
  return AnswerLines(line, terminal, [&](const std::string& source) -> LineAnswer {
    if (line.stream) {
      const Answer answer = source.empty() ? generator.Skip() : generator.Stream(source);
      return {answer.status, std::nullopt};
    }
    const Answer answer = source.empty() ? generator.Skip() : generator.Ask(source);
    return {answer.status, line.json ? ToJson(answer.response) : OneLine(answer.response)};
  });
}

}  // namespace transept::client
