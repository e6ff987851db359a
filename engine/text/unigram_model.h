// The unigram language model that SentencePiece segments words with.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/text/byte_trie.h"
#include "engine/text/subword_model.h"
#include "engine/types/model_spec.h"

namespace transept {

class UnigramModel final : public SubwordModel {
 public:
  struct Options {
    std::vector<VocabularyPiece> pieces;  // piece i has id i
    TokenId unknown_id = 0;               // an index into pieces
    // What an unknown character costs: ten less than the lowest score.
    double lowest_score = 0;
    // Turn unknown characters into byte pieces where the vocabulary has all of them.
    bool byte_fallback = false;
    // Keep sums of scores as SentencePiece does, whose rounding decides between segmentations of
    // equal score. The sum runs on from word to word there: encode whole texts as one word.
    bool single_precision = false;
  };

  explicit UnigramModel(Options options);

  // Finds the most likely segmentation of a word. Of equally likely ones the one found first
  // counts, in the order of transformers. Adjacent unknown characters are one unknown token. Time
  // is linear in the word's length.
  std::unique_ptr<WordEncoder> NewEncoder() const override;
  int32_t size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::string_view piece(TokenId id) const override {
    return pieces_[static_cast<size_t>(id)].text;
  }

 private:
  class Encoder;

  // Bytes where it falls back to them, else the unknown token, which `unknown` may be told.
  void AppendUnknown(std::string_view text, std::vector<TokenId>* ids,
                     std::vector<std::string_view>* unknown) const;

  const std::vector<VocabularyPiece> pieces_;
  const TokenId unknown_id_;
  const double unknown_score_;
  const bool single_precision_;
  ByteTrie trie_;
  const bool byte_fallback_;
  const std::array<TokenId, 256> byte_ids_;
};

}  // namespace transept
