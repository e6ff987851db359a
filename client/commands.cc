#include "client/commands.h"

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/input.h"
#include "client/lines.h"
#include "client/output.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::client {
namespace {

ExitCode Fail(const grpc::Status& status, const Terminal& terminal) {
  terminal.err << "transept: " << Describe(status) << "\n";
  return ExitCodeOf(status);
}

void WriteModel(const v1::Model& model, std::ostream& out) {
  out << absl::StrFormat(
      "%s\t%s\t%s\t%s\t%d+%d layers, width %d\tsources up to %d tokens, outputs up to %d\n",
      model.name(), model.family(), model.device(), model.dtype(), model.encoder_layers(),
      model.decoder_layers(), model.d_model(), model.max_source_tokens(), model.max_new_tokens());
}

}  // namespace

ExitCode Models(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const auto stub = v1::Transept::NewStub(server.channel());
  v1::ListModelsResponse response;
  const grpc::Status status = server.Call([&](grpc::ClientContext* context, bool*) {
    return stub->ListModels(context, v1::ListModelsRequest(), &response);
  });
  if (!status.ok()) return Fail(status, terminal);
  for (const v1::Model& model : response.models()) {
    if (line.json) {
      terminal.out << ToJson(model) << "\n";
    } else {
      WriteModel(model, terminal.out);
    }
  }
  return kOk;
}

ExitCode Tokenize(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const auto stub = v1::Transept::NewStub(server.channel());
  auto tokenize = [&](const std::string& text) {
    v1::TokenizeRequest request;
    request.set_model(line.request.model());
    request.set_source_language(line.request.source_language());
    request.set_text(text);
    v1::TokenizeResponse response;
    const grpc::Status status = server.Call([&](grpc::ClientContext* context, bool*) {
      return stub->Tokenize(context, request, &response);
    });
    return LineAnswer{status,
                      line.json ? ToJson(response) : absl::StrJoin(response.tokens().ids(), " ")};
  };
  if (line.text) return ShowAnswer(tokenize(*line.text), line, terminal);
  return AnswerLines(line, terminal, tokenize);
}

ExitCode Detokenize(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  const auto stub = v1::Transept::NewStub(server.channel());
  auto detokenize = [&](const std::string& text) -> LineAnswer {
    const auto ids = ParseIds(text);
    if (!ids.ok()) return Refusal(ids.status());
    v1::DetokenizeRequest request;
    request.set_model(line.request.model());
    *request.mutable_tokens() = *ids;
    v1::DetokenizeResponse response;
    const grpc::Status status = server.Call([&](grpc::ClientContext* context, bool*) {
      return stub->Detokenize(context, request, &response);
    });
    if (line.json) return {status, ToJson(response)};
    return {status, line.text ? response.text() : OneLine(response.text())};
  };
  if (line.text) return ShowAnswer(detokenize(*line.text), line, terminal);
  return AnswerLines(line, terminal, detokenize);
}

ExitCode Health(const CommandLine& line, const Connection& server, const Terminal& terminal) {
  using grpc::health::v1::HealthCheckResponse;
  const auto stub = grpc::health::v1::Health::NewStub(server.channel());
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(line.service);
  HealthCheckResponse response;
  const grpc::Status status = server.Call([&](grpc::ClientContext* context, bool*) {
    return stub->Check(context, request, &response);
  });
  if (!status.ok()) {
    terminal.err << "transept: health of \"" << line.service << "\": " << Describe(status) << "\n";
    return ExitCodeOf(status);
  }
  terminal.out << HealthCheckResponse::ServingStatus_Name(response.status()) << "\n";
  return response.status() == HealthCheckResponse::SERVING ? kOk : kFailed;
}

ExitCode Run(const std::vector<std::string>& arguments, const Terminal& terminal,
             std::shared_ptr<grpc::Channel> channel) {
  absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
  if (!line.ok()) {
    terminal.err << "transept: " << std::string(line.status().message())
                 << "\nSee transept --help.\n";
    return kUsage;
  }
  if (line->help) {
    terminal.out << Usage();
    return kOk;
  }
  if (line->version) {
    terminal.out << "transept " TRANSEPT_VERSION "\n";
    return kOk;
  }
  if (channel == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);  // log-probabilities of many outputs are large
    channel =
        grpc::CreateCustomChannel(line->address, grpc::InsecureChannelCredentials(), arguments);
  }
  Connection::Options options{.timeout = line->timeout, .retries = line->retries};
  ExitCode exit_code = kUsage;
  if (line->command == "health") {
    options.retries = 0;
    exit_code = Health(*line, Connection(channel, options), terminal);
  } else {
    const Connection server(channel, options);
    if (line->command == "generate") exit_code = Generate(*line, server, terminal);
    if (line->command == "models") exit_code = Models(*line, server, terminal);
    if (line->command == "tokenize") exit_code = Tokenize(*line, server, terminal);
    if (line->command == "detokenize") exit_code = Detokenize(*line, server, terminal);
    if (line->command == "score") exit_code = Score(*line, server, terminal);
    if (line->command == "encode") exit_code = Encode(*line, server, terminal);
  }
  if (exit_code == kOk && !terminal.out.flush()) {
    terminal.err << "transept: can't write the output\n";
    return kFileError;
  }
  return exit_code;
}

}  // namespace transept::client
