// `transept generate`: one source or many, unary or streamed.
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_join.h"
#include "client/commands.h"
#include "client/input.h"
#include "client/lines.h"
#include "client/output.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::client {
namespace {

// What came of one source.
struct Answer {
  grpc::Status status;
  v1::GenerateResponse response;
  bool begun = false;  // of a stream: some of it is out
};

class Generator {
 public:
  Generator(const CommandLine& line, const Connection& server, const Terminal& terminal)
      : line_(line),
        server_(server),
        stub_(v1::Transept::NewStub(server.channel())),
        terminal_(terminal) {}

  // One call for `source`. Thread-safe.
  Answer Ask(const v1::Input& source) const {
    Answer answer;
    const v1::GenerateRequest request = RequestFor(source);
    answer.status = server_.Call([&](grpc::ClientContext* context, bool*) {
      return stub_->Generate(context, request, &answer.response);
    });
    return answer;
  }

  // The same, writing the output while it grows.
  Answer Stream(const v1::Input& source) const {
    Answer answer;
    const v1::GenerateRequest request = RequestFor(source);
    answer.status = server_.Call([&](grpc::ClientContext* context, bool* final) {
      std::unique_ptr<grpc::ClientReader<v1::GenerateChunk>> reader =
          stub_->GenerateStream(context, request);
      v1::GenerateChunk chunk;
      while (reader->Read(&chunk)) {
        *final = true;
        answer.begun = true;
        Write(chunk);
        if (chunk.has_final()) answer.response = std::move(*chunk.mutable_final());
      }
      return reader->Finish();
    });
    if (!line_.json && answer.begun) WriteRest(answer.response);
    return answer;
  }

 private:
  v1::GenerateRequest RequestFor(const v1::Input& source) const {
    v1::GenerateRequest request = line_.request;
    *request.mutable_source() = source;
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

// All hypotheses, a line each.
std::string Lines(const v1::GenerateResponse& response) {
  return absl::StrJoin(
      response.hypotheses(), "\n",
      [](std::string* out, const v1::Hypothesis& hypothesis) { out->append(Shown(hypothesis)); });
}

}  // namespace

ExitCode Generate(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const Generator generator(line, server, terminal);
  const auto generate = [&](const std::string& text,
                            std::string (*shown)(const v1::GenerateResponse&)) -> LineAnswer {
    const auto source = ToInput(text, line.ids);
    if (!source.ok()) return Refusal(source.status());
    const Answer answer = line.stream ? generator.Stream(*source) : generator.Ask(*source);
    if (line.stream) return {answer.status, std::nullopt, answer.begun};
    return {answer.status, line.json ? ToJson(answer.response) : shown(answer.response)};
  };
  if (line.text) return ShowAnswer(generate(*line.text, Lines), line, terminal);
  return AnswerLines(line, terminal,
                     [&](const std::string& source) { return generate(source, OneLine); });
}

}  // namespace transept::client
