// The unary calls that the engine answers: Generate, Score and Encode.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/unary_call.h"

namespace transept::server {

class GenerateCall final : public UnaryCall<v1::GenerateRequest, v1::GenerateResponse> {
 public:
  using UnaryCall::UnaryCall;

 private:
  std::string_view method() const override { return "Generate"; }
  void Prepare(const v1::GenerateRequest& message, const Request& request) override;
  void Answer(const Result& result, v1::GenerateResponse* response) override;

  OutputParts parts_;
  std::vector<std::string> stop_sequences_;
};

class ScoreCall final : public UnaryCall<v1::ScoreRequest, v1::ScoreResponse> {
 public:
  using UnaryCall::UnaryCall;

 private:
  std::string_view method() const override { return "Score"; }
  void Prepare(const v1::ScoreRequest&, const Request&) override {}
  void Answer(const Result& result, v1::ScoreResponse* response) override {
    ToProto(result, response);
  }
};

class EncodeCall final : public UnaryCall<v1::EncodeRequest, v1::EncodeResponse> {
 public:
  using UnaryCall::UnaryCall;

 private:
  std::string_view method() const override { return "Encode"; }
  void Prepare(const v1::EncodeRequest& message, const Request&) override {
    normalize_ = message.normalize();
  }
  void Answer(const Result& result, v1::EncodeResponse* response) override {
    ToProto(result, model().engine->spec().d_model, normalize_, response);
  }

  bool normalize_ = false;
};

}  // namespace transept::server
