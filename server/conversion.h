// Between the messages of the wire contract and the engine's types. Nothing here checks values
// against a model: that is server/request_reader.h and ResolveOptions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/config.h"
#include "engine/types/generation.h"
#include "engine/types/request.h"
#include "engine/types/result.h"
#include "transept/v1/transept.pb.h"

namespace transept::server {

// FieldError "options.<name>" for an enum value that the contract lacks.
absl::StatusOr<GenerationOptions> FromProto(const v1::GenerationOptions& options);

// All but bad_words, which need a tokenizer.
GenerationOptions FromConfig(const config::GenerationConfig& options);

// All options but the filters of sampling, which SetSampling sets, and the seed.
v1::GenerationOptions ToProto(const DecodeParams& params);
void SetSampling(const DecodeParams& params, v1::GenerationOptions* options);

// Nullopt for a value that the contract lacks.
std::optional<Pooling> FromProto(v1::Pooling pooling);

v1::FinishReason ToProto(FinishReason reason);

// Which optional parts of a Hypothesis a client gets.
struct OutputParts {
  bool tokens = false;
  bool token_logprobs = false;
  bool top_logprobs = false;
};

// `text` is the hypothesis's whole text.
void ToProto(const Hypothesis& hypothesis, std::string text, OutputParts parts,
             v1::Hypothesis* message);

// The hypotheses, with their texts, and how many tokens they took.
void ToProto(const Result& result, std::vector<std::string> texts, OutputParts parts,
             v1::GenerateResponse* response);
// The targets that were scored.
void ToProto(const Result& result, v1::ScoreResponse* response);
// The states, each scaled to length 1 if `normalize`; `width` numbers each.
void ToProto(const Result& result, int32_t width, bool normalize, v1::EncodeResponse* response);

// What all kinds of requests have of it.
void ToProto(const Result& result, v1::Usage* usage);

std::vector<TokenId> TokensOf(const Hypothesis& hypothesis);

}  // namespace transept::server
