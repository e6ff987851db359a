// Checks what clients send and turns it into what the engine takes. All errors are FieldErrors with
// paths of the message, or FAILED_PRECONDITION for what the model can't do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/types/request.h"
#include "server/conversion.h"
#include "server/model_registry.h"
#include "transept/v1/transept.pb.h"

namespace transept::server {

// A text may have this many bytes for each token that a source may have: several times what any
// vocabulary makes of running text, and a bound on the time a worker spends on one request.
inline constexpr size_t kMaxTextBytesPerToken = 64;

inline constexpr size_t kMaxRequestIdBytes = 128;
inline constexpr int32_t kMaxPriority = 100;

// Of an EncodeResponse's states: gRPC clients take messages of 4 MiB by default.
inline constexpr int64_t kMaxStateBytes = 4'000'000;

// Length and characters of a client's request id.
absl::Status CheckRequestId(std::string_view request_id);

// Parts of the response that `request` asks for or, without a tokenizer, gets in place of text.
OutputParts ReadOutputParts(const v1::GenerateRequest& request, const Model& model);

// FieldError if an input is longer than the server's limit for sources, or if there are not as many
// as there must be. Cheap.
absl::Status CheckSizes(const v1::GenerateRequest& request, const Model& model);
absl::Status CheckSizes(const v1::ScoreRequest& request, const Model& model);
absl::Status CheckSizes(const v1::EncodeRequest& request, const Model& model);

// FieldError(field) if `text` is longer than the texts of that many tokens are.
absl::Status CheckTextSize(const std::string& text, std::string_view field, const Model& model);

// All but the deadline, of a request that has passed CheckSizes. Tokenizes: not for gRPC threads.
// `seed`: of sampling without a seed of its own.
absl::StatusOr<Request> ReadRequest(const v1::GenerateRequest& request, const Model& model,
                                    uint64_t seed);
absl::StatusOr<Request> ReadRequest(const v1::ScoreRequest& request, const Model& model);
absl::StatusOr<Request> ReadRequest(const v1::EncodeRequest& request, const Model& model);

// The token ids of a source in these languages, each one that the model knows or "".
// FAILED_PRECONDITION without a tokenizer. Not for gRPC threads.
absl::StatusOr<std::vector<TokenId>> ReadText(const std::string& text, std::string_view field,
                                              const LanguagePair& languages, const Model& model);

// The given ids, each checked to be in the vocabulary: FieldError("<field>.ids[i]").
absl::StatusOr<std::vector<TokenId>> ReadTokens(const v1::TokenIds& tokens, std::string_view field,
                                                const Model& model);

// The ids of the texts that must not be generated, each as it stands at the beginning of a text and
// as it stands behind a space, unless the one is banned with the other. FieldError
// ("options.bad_words[i]") for a text without tokens, FAILED_PRECONDITION without a tokenizer.
absl::StatusOr<std::vector<std::vector<TokenId>>> ReadBadWords(
    const std::vector<std::string>& texts, const Model& model);

}  // namespace transept::server
