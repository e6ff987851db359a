#include "server/service.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/types/errors.h"
#include "server/conversion.h"
#include "server/generate_call.h"
#include "server/model_registry.h"
#include "server/request_ids.h"
#include "server/request_reader.h"
#include "server/status_mapping.h"
#include "server/stream_call.h"
#include "server/worker_call.h"
#include "transept/v1/transept.grpc.pb.h"

namespace transept::server {
namespace {

absl::StatusOr<const Model*> CheckTokenize(const CallServices& services,
                                           const v1::TokenizeRequest& request) {
  const auto model = services.models->Find(request.model());
  if (!model.ok()) return model;
  absl::Status status = CheckLanguage(request.source_language(), "source_language", **model);
  status.Update(CheckTextSize(request.text(), "text", **model));
  if (!status.ok()) return status;
  return model;
}

absl::Status Tokenize(const Model& model, const v1::TokenizeRequest& request,
                      v1::TokenizeResponse* response) {
  const auto tokens = ReadText(request.text(), "text", model);
  if (!tokens.ok()) return tokens.status();
  response->mutable_tokens()->mutable_ids()->Assign(tokens->begin(), tokens->end());
  response->mutable_pieces()->Reserve(static_cast<int>(tokens->size()));
  for (const TokenId id : *tokens) *response->add_pieces() = model.tokenizer->Piece(id);
  return absl::OkStatus();
}

absl::StatusOr<const Model*> CheckDetokenize(const CallServices& services,
                                             const v1::DetokenizeRequest& request) {
  const auto model = services.models->Find(request.model());
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

void Describe(const Model& model, v1::Model* message) {
  const ModelSpec& spec = model.engine->spec();
  message->set_name(model.name);
  message->set_family(spec.family);
  message->set_device(model.config.device);
  message->set_dtype(model.config.dtype);
  message->set_vocab_size(spec.vocab_size);
  message->set_max_source_tokens(model.config.max_source_tokens);
  message->set_max_new_tokens(model.config.max_new_tokens);
  message->set_has_tokenizer(model.tokenizer != nullptr);
  message->set_d_model(spec.d_model);
  message->set_encoder_layers(spec.encoder.num_layers);
  message->set_decoder_layers(spec.decoder.num_layers);
  message->set_decoder_start_token_id(spec.decoder_start_token);
  message->mutable_eos_token_ids()->mutable_ids()->Assign(spec.eos_tokens.begin(),
                                                          spec.eos_tokens.end());
  *message->mutable_default_options() = ToProto(model.server_defaults, model.checkpoint_defaults);
}

// Stateless: what it uses is in CallServices, and every call has a reactor of its own.
class TranseptService final : public v1::Transept::CallbackService {
 public:
  explicit TranseptService(const CallServices& services) : services_(services) {}

 private:
  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* context,
                                     const v1::GenerateRequest* request,
                                     v1::GenerateResponse* response) override {
    const auto call = std::make_shared<GenerateCall>(services_, context, request, response);
    call->Begin();
    return call.get();
  }

  grpc::ServerWriteReactor<v1::GenerateChunk>* GenerateStream(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    const auto call = std::make_shared<StreamCall>(services_, context, request);
    call->Begin();
    return call.get();
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override {
    const auto model = CheckTokenize(services_, *request);
    if (!model.ok()) return FinishNow(context, model.status());
    return StartWorkerCall(services_, context, [model = *model, request, response] {
      return server::Tokenize(*model, *request, response);
    });
  }

  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override {
    const auto model = CheckDetokenize(services_, *request);
    if (!model.ok()) return FinishNow(context, model.status());
    return StartWorkerCall(services_, context, [model = *model, request, response] {
      return server::Detokenize(*model, *request, response);
    });
  }

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest*,
                                       v1::ListModelsResponse* response) override {
    for (const auto& model : services_.models->models()) Describe(*model, response->add_models());
    return FinishNow(context, absl::OkStatus());
  }

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override {
    const auto model = services_.models->Find(request->model());
    if (model.ok()) Describe(**model, response->mutable_model());
    return FinishNow(context, model.status());
  }

  grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                      const absl::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status.ok() ? grpc::Status::OK
                                : ToGrpcStatus(status, services_.request_ids->Next(), context));
    return reactor;
  }

  const CallServices& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewTranseptService(const CallServices& services) {
  return std::make_unique<TranseptService>(services);
}

}  // namespace transept::server
