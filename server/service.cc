#include "server/service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/types/errors.h"
#include "server/call_log.h"
#include "server/engine_calls.h"
#include "server/model_description.h"
#include "server/model_registry.h"
#include "server/request_ids.h"
#include "server/request_languages.h"
#include "server/request_reader.h"
#include "server/status_mapping.h"
#include "server/stream_call.h"
#include "server/wire.h"
#include "server/worker_call.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

absl::StatusOr<const Model*> CheckTokenize(const CallServices& services,
                                           const v1::TokenizeRequest& request) {
  auto model = services.models->Find(request.model());
  if (!model.ok()) return model;
  absl::Status status = CheckSourceLanguage(request.source_language(), **model);
  status.Update(CheckTextSize(request.text(), "text", **model));
  if (!status.ok()) return status;
  return model;
}

absl::Status Tokenize(const Model& model, const v1::TokenizeRequest& request,
                      v1::TokenizeResponse* response) {
  const auto tokens = ReadText(request.text(), "text", {request.source_language(), ""}, model);
  if (!tokens.ok()) return tokens.status();
  response->mutable_tokens()->mutable_ids()->Assign(tokens->begin(), tokens->end());
  response->mutable_pieces()->Reserve(static_cast<int>(tokens->size()));
  for (const TokenId id : *tokens) *response->add_pieces() = model.tokenizer->Piece(id);
  return absl::OkStatus();
}

absl::StatusOr<const Model*> CheckDetokenize(const CallServices& services,
                                             const v1::DetokenizeRequest& request) {
  auto model = services.models->Find(request.model());
  if (!model.ok()) return model;
  const config::EngineConfig& config = (*model)->config;
  const int limit = std::max(config.max_source_tokens, config.max_new_tokens);
  if (request.tokens().ids_size() > limit) {
    return FieldError(
        "tokens", absl::StrCat("has ", request.tokens().ids_size(), " tokens; at most ", limit));
  }
  return model;
}

absl::Status Detokenize(const Model& model, const v1::DetokenizeRequest& request,
                        v1::DetokenizeResponse* response) {
  if (model.tokenizer == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("tokens: model ", model.name, " has no tokenizer"));
  }
  const auto tokens = ReadTokens(request.tokens(), "tokens", model);
  if (!tokens.ok()) return tokens.status();
  response->set_text(model.tokenizer->Decode(*tokens));
  return absl::OkStatus();
}

// Every method takes and gives bytes: see server/wire.h.
template <template <typename> typename... Methods>
struct RawMethods;
template <template <typename> typename First, template <typename> typename... Rest>
struct RawMethods<First, Rest...> {
  using Service = First<typename RawMethods<Rest...>::Service>;
};
template <>
struct RawMethods<> {
  using Service = v1::Transept::Service;
};
using RawService = RawMethods<
    v1::Transept::WithRawCallbackMethod_Generate,
    v1::Transept::WithRawCallbackMethod_GenerateStream, v1::Transept::WithRawCallbackMethod_Score,
    v1::Transept::WithRawCallbackMethod_Encode, v1::Transept::WithRawCallbackMethod_Tokenize,
    v1::Transept::WithRawCallbackMethod_Detokenize, v1::Transept::WithRawCallbackMethod_ListModels,
    v1::Transept::WithRawCallbackMethod_GetModel>::Service;

// Stateless: what it uses is in CallServices, and every call has a reactor of its own.
class TranseptService final : public RawService {
 public:
  explicit TranseptService(const CallServices& services) : services_(services) {}

 private:
  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    return Begin<GenerateCall>(context, request, response);
  }

  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override {
    return Begin<ScoreCall>(context, request, response);
  }

  grpc::ServerUnaryReactor* Encode(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return Begin<EncodeCall>(context, request, response);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerateStream(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override {
    return Begin<StreamCall>(context, request);
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    return OnWorker<v1::TokenizeRequest, v1::TokenizeResponse>(
        "Tokenize", context, *request, response, CheckTokenize, server::Tokenize);
  }

  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override {
    return OnWorker<v1::DetokenizeRequest, v1::DetokenizeResponse>(
        "Detokenize", context, *request, response, CheckDetokenize, server::Detokenize);
  }

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override {
    v1::ListModelsRequest message;
    const absl::Status status = Parse(*request, &message);
    if (status.ok()) {
      v1::ListModelsResponse list;
      for (const auto& model : services_.models->models()) Describe(*model, list.add_models());
      Serialize(list, response);
    }
    return FinishNow("ListModels", context, status);
  }

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    v1::GetModelRequest message;
    absl::Status status = Parse(*request, &message);
    const auto model = services_.models->Find(message.model());
    status.Update(model.status());
    if (status.ok()) {
      v1::GetModelResponse description;
      Describe(**model, description.mutable_model());
      Serialize(description, response);
    }
    return FinishNow("GetModel", context, status);
  }

  // A call that the engine answers; it keeps itself.
  template <typename Call, typename... Arguments>
  Call* Begin(Arguments... arguments) {
    const auto call = std::make_shared<Call>(services_, arguments...);
    call->Begin();
    return call.get();
  }

  // A call whose request `check` admits here and `answer` answers on a worker.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* OnWorker(std::string_view method, grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer& request, grpc::ByteBuffer* response,
                                     absl::StatusOr<const Model*> (*check)(const CallServices&,
                                                                           const Request&),
                                     absl::Status (*answer)(const Model&, const Request&,
                                                            Response*)) {
    Request message;
    if (absl::Status status = Parse(request, &message); !status.ok()) {
      return FinishNow(method, context, status);
    }
    const auto model = check(services_, message);
    if (!model.ok()) return FinishNow(method, context, model.status());
    return StartWorkerCall(
        services_, context, method, (*model)->name,
        [model = *model, message = std::move(message), response, answer]() -> absl::Status {
          Response result;
          absl::Status status = answer(*model, message, &result);
          if (status.ok()) Serialize(result, response);
          return status;
        });
  }

  grpc::ServerUnaryReactor* FinishNow(std::string_view method, grpc::CallbackServerContext* context,
                                      const absl::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const std::string id = status.ok() ? "" : services_.request_ids->Next();
    grpc::Status end = ToGrpcStatus(status, id, context);
    services_.log->Write({.method = method, .request_id = id}, end);
    reactor->Finish(std::move(end));
    return reactor;
  }

  const CallServices& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewTranseptService(const CallServices& services) {
  return std::make_unique<TranseptService>(services);
}

}  // namespace transept::server
