// `transept score` and `transept encode`: numbers about sources.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/commands.h"
#include "client/input.h"
#include "client/lines.h"
#include "client/output.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::client {
namespace {

// The fields that Score and Encode share with Generate, for which there are flags.
template <typename Message>
Message RequestFor(const CommandLine& line, const v1::Input& source) {
  Message message;
  message.set_model(line.request.model());
  message.set_request_id(line.request.request_id());
  message.set_source_language(line.request.source_language());
  message.set_priority(line.request.priority());
  *message.mutable_source() = source;
  return message;
}

std::string Join(const v1::ScoreResponse& response, const char* separator) {
  return absl::StrJoin(
      response.scores(), separator,
      [](std::string* out, const v1::TargetScore& score) { absl::StrAppend(out, score.score()); });
}

std::string Join(const v1::EncodeResponse& response, const char* separator) {
  return absl::StrJoin(response.states(), separator, [](std::string* out, const v1::Vector& state) {
    absl::StrAppend(out, absl::StrJoin(state.values(), " "));
  });
}

// Answers with one line of JSON, or with what Join makes of the response.
template <typename Message, typename Response>
LineAnswer Call(const Connection& server, const CommandLine& line, const char* separator,
                grpc::Status (v1::Transept::Stub::*method)(grpc::ClientContext*, const Message&,
                                                           Response*),
                const Message& message) {
  const auto stub = v1::Transept::NewStub(server.channel());
  Response response;
  LineAnswer answer;
  answer.status = server.Call([&](grpc::ClientContext* context, bool*) {
    return ((*stub).*method)(context, message, &response);
  });
  answer.text = line.json ? ToJson(response) : Join(response, separator);
  return answer;
}

}  // namespace

ExitCode Score(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const auto score = [&](const std::string& source, const std::vector<std::string>& targets,
                         const char* separator) {
    const auto input = ToInput(source, line.ids);
    if (!input.ok()) return Refusal(input.status());
    auto message = RequestFor<v1::ScoreRequest>(line, *input);
    message.set_target_language(line.request.target_language());
    for (const std::string& text : targets) {
      const auto target = ToInput(text, line.ids);
      if (!target.ok()) return Refusal(target.status());
      *message.add_targets() = *target;
    }
    return Call(server, line, separator, &v1::Transept::Stub::Score, message);
  };
  if (line.text) return ShowAnswer(score(*line.text, line.targets, "\n"), line, terminal);
  return AnswerLines(line, terminal, [&](const std::string& source_and_targets) {
    std::vector<std::string> parts = absl::StrSplit(source_and_targets, '\t');
    const std::string source = parts.front();
    parts.erase(parts.begin());
    parts.insert(parts.end(), line.targets.begin(), line.targets.end());
    return score(source, parts, "\t");
  });
}

ExitCode Encode(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const auto encode = [&](const std::string& source, const char* separator) {
    const auto input = ToInput(source, line.ids);
    if (!input.ok()) return Refusal(input.status());
    auto message = RequestFor<v1::EncodeRequest>(line, *input);
    message.set_pooling(line.pooling);
    message.set_normalize(line.normalize);
    return Call(server, line, separator, &v1::Transept::Stub::Encode, message);
  };
  if (line.text) return ShowAnswer(encode(*line.text, "\n"), line, terminal);
  return AnswerLines(line, terminal,
                     [&](const std::string& source) { return encode(source, "\t"); });
}

}  // namespace transept::client
