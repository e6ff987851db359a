// SentencePiece's own way from text to pieces.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "engine/text/normalizer.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/subword_tokenizer.h"

namespace transept {

struct SentencePieceEncoding {
  std::unique_ptr<const SubwordModel> model;  // ids are the pieces' places
  std::unique_ptr<Normalizer> normalizer;
  WordRules words;
};

// INVALID_ARGUMENT if the normalizer's map is damaged.
absl::StatusOr<SentencePieceEncoding> MakeSentencePieceEncoding(const SentencePieceModel& model);

}  // namespace transept
