#include "tests/client/fake_transept.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace transept::client {

grpc::Status WithDetail(grpc::StatusCode code, const std::string& message,
                        const google::protobuf::Message& detail) {
  google::rpc::Status status;
  status.set_code(code);
  status.add_details()->PackFrom(detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

grpc::Status FakeTransept::Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                                    v1::GenerateResponse* response) {
  const std::string& text = request->source().text();
  ++calls;
  // The first of several lines takes longest.
  if (text == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (text == "bad") return BadRequest();
  if (failures-- > 0) return failure;
  *response = Answer(*request);
  return grpc::Status::OK;
}

grpc::Status FakeTransept::GenerateStream(grpc::ServerContext*, const v1::GenerateRequest* request,
                                          grpc::ServerWriter<v1::GenerateChunk>* writer) {
  ++calls;
  const v1::GenerateResponse answer = Answer(*request);
  if (failures > 0 && !fail_late) {
    --failures;
    return failure;
  }
  for (const char letter : answer.hypotheses(0).text()) {
    v1::GenerateChunk chunk;
    chunk.set_text(std::string(1, letter));
    writer->Write(chunk);
    if (failures > 0) {
      --failures;
      return failure;
    }
  }
  v1::GenerateChunk last;
  *last.mutable_final() = answer;
  writer->Write(last);
  return grpc::Status::OK;
}

grpc::Status FakeTransept::Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                                 v1::ScoreResponse* response) {
  ++calls;
  score_request = *request;
  if (request->source().text() == "bad") return BadRequest();
  for (const v1::Input& target : request->targets()) {
    response->add_scores()->set_score(-0.5f * static_cast<float>(target.text().size()));
  }
  return grpc::Status::OK;
}

grpc::Status FakeTransept::Encode(grpc::ServerContext*, const v1::EncodeRequest* request,
                                  v1::EncodeResponse* response) {
  ++calls;
  encode_request = *request;
  for (const char letter : request->source().text()) {
    v1::Vector* state = response->add_states();
    state->add_values(letter);
    state->add_values(0.5f);
  }
  return grpc::Status::OK;
}

grpc::Status FakeTransept::ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                                      v1::ListModelsResponse* response) {
  auto* model = response->add_models();
  model->set_name("demo");
  model->set_family("t5");
  model->set_max_source_tokens(512);
  model->set_max_new_tokens(256);
  return grpc::Status::OK;
}

grpc::Status FakeTransept::Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                                    v1::TokenizeResponse* response) {
  for (const char letter : request->text()) response->mutable_tokens()->add_ids(letter);
  tokenize_language = request->source_language();
  return grpc::Status::OK;
}

grpc::Status FakeTransept::Detokenize(grpc::ServerContext*, const v1::DetokenizeRequest* request,
                                      v1::DetokenizeResponse* response) {
  for (const int id : request->tokens().ids()) {
    response->mutable_text()->push_back(static_cast<char>(id));
  }
  return grpc::Status::OK;
}

grpc::Status FakeTransept::BadRequest() {
  google::rpc::BadRequest detail;
  auto* violation = detail.add_field_violations();
  violation->set_field("options.top_p");
  violation->set_description("2 is above 1");
  return WithDetail(grpc::StatusCode::INVALID_ARGUMENT, "bad request", detail);
}

v1::GenerateResponse FakeTransept::Answer(const v1::GenerateRequest& request) {
  v1::GenerateResponse response;
  const int hypotheses = std::max(1, request.options().num_return_sequences());
  for (int i = 0; i < hypotheses; ++i) {
    std::string text = absl::StrCat("[", request.source().text(), "]");
    if (i > 0) text.append(std::to_string(i));
    response.add_hypotheses()->set_text(text);
  }
  return response;
}

}  // namespace transept::client
