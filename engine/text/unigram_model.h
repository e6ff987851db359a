// The unigram language model that SentencePiece segments words with.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/byte_trie.h"
#include "engine/types/model_spec.h"

namespace transept {

struct VocabularyPiece {
  std::string text;
  double score = 0;     // log-probability; finite
  bool in_text = true;  // false for control symbols and the like, which no text turns into
};

// The value of a byte piece, "<0x00>" to "<0xFF>"; nullopt for other pieces.
std::optional<uint8_t> ByteOfPiece(std::string_view piece);

// Immutable and thread-safe.
class UnigramModel {
 public:
  struct Options {
    std::vector<VocabularyPiece> pieces;  // piece i has id i
    TokenId unknown_id = 0;               // an index into pieces
    // What an unknown character costs: ten less than the lowest score.
    double lowest_score = 0;
    // Turn unknown characters into byte pieces where the vocabulary has all of them.
    bool byte_fallback = false;
  };

  // Working memory, reused from word to word. Not to be shared between threads.
  class Scratch {
    friend class UnigramModel;
    struct Node {
      double score = 0;
      size_t start = 0;
      TokenId id = -1;  // -1: not reached
    };
    std::vector<Node> best;  // best[i]: the best segmentation of the word's first i bytes
  };

  explicit UnigramModel(Options options);

  // Appends the ids of the most likely segmentation of `word`, valid UTF-8. Of equally likely ones
  // the one found first counts, in the order of transformers. Adjacent unknown characters are one
  // unknown token. Time is linear in the word's length.
  void Encode(std::string_view word, Scratch* scratch, std::vector<TokenId>* ids) const;

  int32_t size() const { return static_cast<int32_t>(pieces_.size()); }
  const std::string& piece(TokenId id) const { return pieces_[static_cast<size_t>(id)].text; }

 private:
  void FillBest(std::string_view word, Scratch* scratch) const;
  void AppendUnknown(std::string_view text, std::vector<TokenId>* ids) const;

  const std::vector<VocabularyPiece> pieces_;
  const TokenId unknown_id_;
  const double unknown_score_;
  ByteTrie trie_;
  const bool byte_fallback_;
  const std::array<TokenId, 256> byte_ids_;
};

}  // namespace transept
