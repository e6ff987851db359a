// How a word becomes pieces of a vocabulary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types/model_spec.h"

namespace transept {

struct VocabularyPiece {
  std::string text;
  double score = 0;     // finite; of unigram models, a log-probability
  bool in_text = true;  // false for control symbols and the like, which no text turns into
};

// Segments words with one model, reusing its working memory from word to word. Not thread-safe.
class WordEncoder {
 public:
  virtual ~WordEncoder() = default;
  // Appends the ids of `word`, valid UTF-8, and to `unknown`, unless it is null, the text of each
  // unknown token among them: a part of `word`.
  virtual void Encode(std::string_view word, std::vector<TokenId>* ids,
                      std::vector<std::string_view>* unknown) = 0;
  void Encode(std::string_view word, std::vector<TokenId>* ids) { Encode(word, ids, nullptr); }
};

// A vocabulary and how to segment words into its pieces. Immutable and thread-safe.
class SubwordModel {
 public:
  virtual ~SubwordModel() = default;

  // Must not outlive the model.
  virtual std::unique_ptr<WordEncoder> NewEncoder() const = 0;

  // Ids are in [0, size()).
  virtual int32_t size() const = 0;
  // "" for an id that has none; `id` must be in [0, size()).
  virtual std::string_view piece(TokenId id) const = 0;
  // What it is in decoded text, space marks apart.
  virtual std::string_view text(TokenId id) const { return piece(id); }
};

// The value of a byte piece, "<0x00>" to "<0xFF>"; nullopt for other pieces.
std::optional<uint8_t> ByteOfPiece(std::string_view piece);

}  // namespace transept
