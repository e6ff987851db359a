// Byte-pair encoding: a word's characters, joined pair by pair.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/text/byte_trie.h"
#include "engine/text/subword_model.h"
#include "engine/types/model_spec.h"

namespace transept {

// Two adjacent pieces that become one.
struct BpeMerge {
  TokenId left = 0;
  TokenId right = 0;
  TokenId result = 0;
  int32_t rank = 0;  // the lowest goes first; of equal ones, that further left
};

class BpeModel final : public SubwordModel {
 public:
  struct Options {
    std::vector<std::string> pieces;  // piece i has id i; "" where no piece has that id
    std::vector<BpeMerge> merges;     // ids of `pieces`; of two for one pair the last one counts
    // What a character without a piece becomes; without it such characters are dropped.
    std::optional<TokenId> unknown_id;
    bool fuse_unknown = false;  // adjacent unknown characters of a word are one unknown token
    // Turn unknown characters into byte pieces where the vocabulary has those.
    bool byte_fallback = false;
    // Pieces that are found before any other, the longest first. No merge has them.
    std::vector<TokenId> whole;
    bool ignore_merges = false;  // a word that is a piece is that piece, whatever the merges say
  };

  explicit BpeModel(Options options);
  BpeModel(const BpeModel&) = delete;
  BpeModel& operator=(const BpeModel&) = delete;

  // Its time is n log n in a word's length.
  std::unique_ptr<WordEncoder> NewEncoder() const override;
  int32_t size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::string_view piece(TokenId id) const override { return pieces_[static_cast<size_t>(id)]; }

 private:
  class Encoder;
  struct Joint {
    int32_t rank;
    TokenId result;
  };

  std::optional<TokenId> Find(std::string_view piece) const;
  // The longest of the pieces found before any other that `text` begins with; 0 bytes if none does.
  std::pair<size_t, TokenId> FindWhole(std::string_view text) const;
  // nullptr where no merge joins the two.
  const Joint* FindJoint(TokenId left, TokenId right) const;

  const std::vector<std::string> pieces_;
  const std::optional<TokenId> unknown_id_;
  const bool fuse_unknown_;
  const bool byte_fallback_;
  const bool ignore_merges_;
  absl::flat_hash_map<std::string_view, TokenId> ids_;  // of pieces_
  absl::flat_hash_map<uint64_t, Joint> joints_;         // by both ids
  std::array<TokenId, 256> byte_ids_;                   // -1 where there is none
  ByteTrie whole_;
};

// The merges with which BpeModel does as SentencePiece: any two pieces in text whose joint text is
// one too are joined, the highest score first. Piece i gets id i; their texts are distinct.
std::vector<BpeMerge> MergesOfScores(const std::vector<VocabularyPiece>& pieces);

}  // namespace transept
