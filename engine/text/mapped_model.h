// A SentencePiece model beside a vocabulary that numbers its pieces anew.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "engine/text/subword_model.h"

namespace transept {

struct Vocabulary {
  std::vector<std::string> tokens;  // by id; "" where no token has that id
  absl::flat_hash_map<std::string, TokenId> ids;
  TokenId unknown_id = 0;

  // The id of `token`, or the unknown one.
  TokenId IdOf(std::string_view token) const {
    const auto it = ids.find(absl::string_view(token.data(), token.size()));
    return it == ids.end() ? unknown_id : it->second;
  }
};

// Segments as `model` does and looks the pieces up in a vocabulary. What is unknown to the model is
// looked up as well, for a vocabulary may have more than the model's pieces.
class MappedModel final : public SubwordModel {
 public:
  // `unknown_piece` is the model's own unknown token; no text comes of its `control_pieces`.
  MappedModel(std::unique_ptr<const SubwordModel> model, TokenId unknown_piece,
              absl::Span<const TokenId> control_pieces, Vocabulary vocabulary);

  // Its encoder tells no unknown texts.
  std::unique_ptr<WordEncoder> NewEncoder() const override;
  int32_t size() const override { return static_cast<int32_t>(vocabulary_.tokens.size()); }
  std::string_view piece(TokenId id) const override {
    return vocabulary_.tokens[static_cast<size_t>(id)];
  }
  std::string_view text(TokenId id) const override {
    return controls_.contains(id) ? "" : piece(id);
  }

 private:
  class Encoder;

  const std::unique_ptr<const SubwordModel> model_;
  const TokenId unknown_piece_;
  const Vocabulary vocabulary_;
  std::vector<TokenId> ids_;               // in the vocabulary, by id in the model
  absl::flat_hash_set<TokenId> controls_;  // in the vocabulary
};

}  // namespace transept
